"""A fuzz campaign, on demand: `make fuzz`."""

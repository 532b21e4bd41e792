"""What the arbiter and its workers say to each other."""

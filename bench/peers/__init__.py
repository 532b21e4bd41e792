"""The same handlers as in `notebook()`, written by hand for the peers."""

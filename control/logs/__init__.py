"""The log: the lines in it, its end, its reader and its followers."""

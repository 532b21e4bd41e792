"""The log: the lines in it, its files, its end, its reader and its followers."""

"""Projects on disk: the list of them, zips, new ones, those that the image brings."""

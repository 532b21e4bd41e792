"""HTTP: the pages and the JSON API of the control app."""

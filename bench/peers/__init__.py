"""The endpoints of bench/notebook.py, written for the peers."""

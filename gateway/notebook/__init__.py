"""Reads a notebook: its kernel, its endpoints, their documentation, and why it does not run."""

"""The Kernel Gateway application of one slot: runs a project's notebook and serves its endpoints."""

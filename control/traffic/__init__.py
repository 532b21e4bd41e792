"""Requests to the API, as they were recorded and as the page sends them."""

"""Requests to the API: their records, metrics and limits, and those that the homepage sends."""

"""HTTP itself: bytes, requests, responses and routes."""

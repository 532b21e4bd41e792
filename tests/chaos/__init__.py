"""Campaigns that run on demand: what a stack under load answers while its programs are killed, stopped and starved."""

"""Start, restart and stop of the API: the two slots, what is served, reload on save."""

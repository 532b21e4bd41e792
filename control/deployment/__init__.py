"""Start, restart and stop of the API: the two slots, its status, reload on save."""

"""supervisord: as a daemon with our output and our shutdown, and the client of its XML-RPC interface."""

"""Records of requests, on their way to the control app and to the log."""

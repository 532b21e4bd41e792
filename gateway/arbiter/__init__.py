"""The parent process of a slot: it binds the socket, and starts, seeds, watches and replaces kernels."""

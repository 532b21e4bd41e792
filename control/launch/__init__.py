"""Everything before the stack runs: credentials, the kernels' environment, configuration files, health check."""

"""Everything before the stack runs: credentials, HOME of kernels, configuration files, health check."""

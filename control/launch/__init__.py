"""What happens before anything runs: credentials, kernels' environment, rendered configuration, health check."""

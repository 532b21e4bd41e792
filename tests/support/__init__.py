"""What the tests share: the real stack as a subprocess, notebooks from cells, waiting with a deadline."""

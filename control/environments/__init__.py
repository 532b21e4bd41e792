"""The virtual environments that kernels run in, over the product's own, which no kernel changes."""

"""Benchmarks of the product and its peers, in one run on one machine."""

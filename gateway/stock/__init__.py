"""Kernels of other languages: the stock gateway's executor, with time limits and replacement of dead kernels."""

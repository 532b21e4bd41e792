"""Tests with the real programs."""

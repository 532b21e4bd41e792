"""The image as it ships, built from the working tree and run by a Docker engine."""

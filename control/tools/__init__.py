"""The served API's functions as tools for agents, by the Model Context Protocol; a program of its own."""

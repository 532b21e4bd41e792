"""The engine as its contract has it: stock's own tests, and stock side by side."""

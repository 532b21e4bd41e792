"""Settings, the run directory and the errors that users see."""

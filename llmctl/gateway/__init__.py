"""The path of an exchange, and what builds, runs and reloads it."""

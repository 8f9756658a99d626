"""Settings, keys and logging: what an operator decides, read once at the door."""

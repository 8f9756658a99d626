"""Sign-up, channels, imports, suppression, and what a reader may ask about stored data."""

"""Feed documents as plain values, loaded from the tables."""

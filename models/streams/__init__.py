"""Streams and their entries, contributors and pictures: rules and queries."""

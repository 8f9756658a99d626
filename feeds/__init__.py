"""Feeds in Atom 1.0, RSS 2.0 and JSON Feed 1.1, and the cache that serves them.

`document` reads the tables into values, `formats` writes these as bytes, `cache` keeps the bytes.
"""

"""Atom, RSS, JSON Feed and OPML."""

"""Text rules: what titles, texts, addresses and pictures may hold, and the errors that say so."""

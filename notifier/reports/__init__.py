"""Figures of the ledger for the desk, the command line and monitoring."""

"""Accounts of the people who log in, their sessions and invitations."""

"""Posting, scheduling, publishing, revising and deleting entries."""

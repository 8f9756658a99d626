"""Values, text rules and templates that all messages share."""

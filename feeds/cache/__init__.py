"""The response cache: finished feeds and pages as bytes, renewed on change."""

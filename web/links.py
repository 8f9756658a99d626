"""Absolute addresses: from BASE_URL, never from the request's Host."""

from web.context import service


def stream_url(slug: str) -> str:
    """A story; its feeds lie below."""
    return f"{service().settings.base_url}/streams/{slug}"


def entry_url(slug: str, uid: str) -> str:
    """An entry's permalink."""
    return f"{stream_url(slug)}/entries/{uid}"

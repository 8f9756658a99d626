"""Absolute addresses: from BASE_URL, never from the request's Host."""

from web.context import service


def site_url() -> str:
    """The index, which is also the folder of the feeds of all stories."""
    return f"{service().settings.base_url}/"


def stream_url(slug: str) -> str:
    """A story; its feeds lie below."""
    return f"{service().settings.base_url}/streams/{slug}"


def entry_url(slug: str, uid: str) -> str:
    """An entry's permalink."""
    return f"{stream_url(slug)}/entries/{uid}"

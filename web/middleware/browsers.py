"""A short name for a browser, so that people know it again: of what it tells of itself no more is
stored.
"""

_PROGRAMS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"), ("CriOS/", "Chrome"), ("Safari/", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("iPhone", "iPhone"), ("iPad", "iPad"), ("Android", "Android"), ("Windows", "Windows"), ("CrOS", "ChromeOS"), ("Macintosh", "macOS"),
    ("Linux", "Linux"),
)  # fmt: skip


def browser_name(user_agent: str) -> str:
    """Such as "Firefox on Android". The more special names come first: most programs call
    themselves Safari, too.
    """
    program = _first(_PROGRAMS, user_agent) or "A program without a known name"
    system = _first(_SYSTEMS, user_agent)
    return f"{program} on {system}" if system else program


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for part, name in names if part in user_agent), "")

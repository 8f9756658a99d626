"""Content codings: which of them a reader takes, and the bytes in each (RFC 9110 section 12.5.3)."""

import gzip
from collections.abc import Callable, Mapping
from types import MappingProxyType

import brotli  # type: ignore[import-untyped]

IDENTITY = "identity"
# fields that are remembered, and characters of one; browsers send some thirty
_MOST, _LONGEST = 500, 200

# What we have, best first.  Both give the same bytes on any day: gzip would note the present second
# unless told another.
CODINGS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "br": lambda body: bytes(brotli.compress(body, mode=brotli.MODE_TEXT, quality=5)),
        "gzip": lambda body: gzip.compress(body, compresslevel=6, mtime=0),
        IDENTITY: lambda body: body,
    }
)
DECODERS: Mapping[str, Callable[[bytes], bytes]] = MappingProxyType(
    {
        "gzip": gzip.decompress,
        "br": lambda body: bytes(brotli.decompress(body)),
        IDENTITY: lambda body: body,
    }
)

_chosen: dict[str | None, str] = {None: IDENTITY}


def choose(accepted: str | None) -> str:
    """The best coding for a reader who sent that Accept-Encoding; plain bytes where none of ours is
    taken, rather than nothing.
    """
    return _chosen.get(accepted) or _choose_first(accepted or "")


def _choose_first(accepted: str) -> str:
    coding = _choose(accepted)
    if len(_chosen) < _MOST and len(accepted) <= _LONGEST:
        _chosen[accepted] = coding
    return coding


def _choose(accepted: str) -> str:
    weights = dict(map(_weight, accepted.lower().split(",")))
    others = weights.get("*", 0.0)
    # Plain bytes are always acceptable unless refused, but wanted least unless named.
    found = {name: weights.get(name, others) for name in CODINGS if name != IDENTITY} | {
        IDENTITY: weights.get(IDENTITY, 0.0)
    }
    best = max(found, key=lambda name: found[name])  # the first of several
    return best if found[best] > 0 else IDENTITY


def _weight(element: str) -> tuple[str, float]:
    """A coding and its q; one that cannot be read is not taken."""
    name, _, parameter = element.partition(";")
    key, _, value = parameter.partition("=")
    name = name.strip().removeprefix("x-")
    if not parameter.strip():
        return name, 1.0
    try:
        weight = float(value) if key.strip() == "q" else 0.0
    except ValueError:
        weight = 0.0
    return name, weight if 0 <= weight <= 1 else 0.0

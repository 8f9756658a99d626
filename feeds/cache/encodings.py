"""Content codings: the best one that a reader accepts, and the bytes in each (RFC 9110, 12.5.3)."""

import gzip
from collections.abc import Callable, Mapping
from types import MappingProxyType

import brotli  # type: ignore[import-untyped]

IDENTITY = "identity"
# Header fields whose choice is remembered; browsers send some thirty different ones.
_MAX_REMEMBERED = 500
_MAX_REMEMBERED_CHARACTERS = 200

# Best first.  Both give the same bytes on any day: without mtime gzip writes the present second.
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


def choose(accept_encoding: str | None) -> str:
    """The best coding for that header field; the plain bytes if it accepts nothing of ours."""
    return _chosen.get(accept_encoding) or _choose_first(accept_encoding or "")


def _choose_first(accept_encoding: str) -> str:
    coding = _choose(accept_encoding)
    few = len(_chosen) < _MAX_REMEMBERED
    if few and len(accept_encoding) <= _MAX_REMEMBERED_CHARACTERS:
        _chosen[accept_encoding] = coding
    return coding


def _choose(accept_encoding: str) -> str:
    named = dict(map(_weight, accept_encoding.lower().split(",")))
    others = named.get("*", 0.0)
    weights = {coding: named.get(coding, others) for coding in CODINGS}
    # Plain bytes are always acceptable unless refused, but preferred only if named.
    weights[IDENTITY] = named.get(IDENTITY, 0.0)
    best = max(weights, key=lambda coding: weights[coding])  # the first of several
    return best if weights[best] > 0 else IDENTITY


def _weight(element: str) -> tuple[str, float]:
    """A coding and its q; 0 if that cannot be read."""
    name, _, parameter = element.partition(";")
    name = name.strip().removeprefix("x-")
    if not parameter.strip():
        return name, 1.0
    key, _, value = parameter.partition("=")
    try:
        weight = float(value) if key.strip() == "q" else 0.0
    except ValueError:
        weight = 0.0
    return name, weight if 0 <= weight <= 1 else 0.0

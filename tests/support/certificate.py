"""A self-signed certificate for localhost, and a server's TLS context with it."""

import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    """For localhost, signed by itself."""

    path: Path
    server: ssl.SSLContext

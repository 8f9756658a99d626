"""The site's secret, and the keys derived from it, one per purpose."""

import base64
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config.settings import MIN_SECRET_CHARACTERS, BadSettings, Settings

KEY_LOST = (
    "If it is lost for good, run `storywire init --new-key`: links in earlier e-mails stop working,"
    " everyone has to log in again, and channels have to be added again."
)


class Keys:
    """Keys derived from the site's secret (RFC 5869); a key for one purpose is of no use for
    another.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._derived: dict[str, bytes] = {}

    def derive(self, purpose: str) -> bytes:
        """Derive 32 bytes for ``purpose``; the result depends only on it and the secret."""
        if purpose not in self._derived:
            derived = HKDF(
                algorithm=SHA256(), length=32, salt=b"storywire", info=purpose.encode()
            ).derive(self._secret)
            self._derived[purpose] = derived
        return self._derived[purpose]

    def fernet(self, purpose: str) -> bytes:
        """Derive a key in the form that cryptography's Fernet takes."""
        return base64.urlsafe_b64encode(self.derive(purpose))


def _read_secret(path: Path) -> str:
    """Read the secret; refuse an empty or damaged one, which anyone could guess."""
    secret = path.read_text("utf-8", "replace")
    if len(secret) < MIN_SECRET_CHARACTERS or not secret.isascii():
        raise BadSettings(
            f"{path} is damaged: it should hold at least {MIN_SECRET_CHARACTERS} characters."
            " Restore it from a backup."
        )
    return secret


def make_data_dir(settings: Settings) -> None:
    """Create DATA_DIR if it is missing.  Raises BadSettings if it cannot be written."""
    with _writable(settings):
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)


def load_keys(settings: Settings, *, make: bool = False) -> Keys:
    """Load the site's keys.  Raises BadSettings if the secret is missing or damaged.

    ``make`` creates a missing secret, readable only by its owner.  Only for new sites: whatever an
    earlier secret signed or encrypted becomes useless.
    """
    secret = settings.secret_key.get_secret_value()
    if secret:
        return Keys(secret)
    path = settings.data_dir / "secret.key"
    with _writable(settings):
        if not path.exists():
            if not make:
                raise BadSettings(
                    f"The site's key, {path.absolute()}, is missing. Restore it from the same backup"
                    f" as the database. {KEY_LOST}"
                )
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create_secret(path)
        return Keys(_read_secret(path))


def _create_secret(path: Path) -> None:
    """Write a new secret, unless another process is first: then all of them use that one."""
    draft = path.with_name(f"secret.key.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(48))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


@contextmanager
def _writable(settings: Settings) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise BadSettings(
            f"STORYWIRE_DATA_DIR: {settings.data_dir} cannot be written: {exc.strerror}."
        ) from exc

"""One secret, from which a key for each purpose is derived."""

import base64
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config.settings import SHORTEST, BadSettings, Settings

KEY_LOST = (
    "If it is lost for good, run `storywire init --new-key`: then links in mails sent so far stop"
    " working, everybody has to log in again, and channels have to be added again."
)


class Keys:
    """Keys derived from the site's secret (RFC 5869), one per purpose, so that none can stand in
    for another.
    """

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._derived: dict[str, bytes] = {}

    def derive(self, purpose: str) -> bytes:
        """32 bytes for ``purpose``, always the same for the same secret."""
        if purpose not in self._derived:
            derived = HKDF(
                algorithm=SHA256(), length=32, salt=b"storywire", info=purpose.encode()
            ).derive(self._secret)
            self._derived[purpose] = derived
        return self._derived[purpose]

    def fernet(self, purpose: str) -> bytes:
        """The same in the form that cryptography's Fernet takes."""
        return base64.urlsafe_b64encode(self.derive(purpose))


def _whole(path: Path) -> str:
    """The secret in that file; an empty or broken one would sign log-ins with what anybody can
    guess.
    """
    found = path.read_text("utf-8", "replace")
    if len(found) < SHORTEST or not found.isascii():
        raise BadSettings(
            f"{path} is damaged: it should hold a secret of {SHORTEST} characters or more. Bring it"
            " back from a backup."
        )
    return found


def make_data_dir(settings: Settings) -> None:
    """Make DATA_DIR if it is missing.  Raises BadSettings where it cannot be written."""
    with _writable(settings):
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)


def load_keys(settings: Settings, *, make: bool = False) -> Keys:
    """The keys of this site.  Raises BadSettings where they are missing or damaged.

    ``make``: on SQLite make a missing secret, readable by its owner alone.  Only for a new site:
    what an earlier secret signed and encrypted is lost with it.
    """
    given = settings.secret_key.get_secret_value()
    if given:
        return Keys(given)
    path = settings.data_dir / "secret.key"
    with _writable(settings):
        if not path.exists():
            if not make:
                raise BadSettings(
                    f"The site's key, {path.absolute()}, is missing. Bring it back from the backup"
                    f" that the database came from. {KEY_LOST}"
                )
            settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
            draft = path.with_name(f"secret.key.{os.getpid()}")
            with os.fdopen(
                os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w"
            ) as file:
                file.write(secrets.token_urlsafe(48))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # the first process to come wins; all read the same file
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return Keys(_whole(path))


@contextmanager
def _writable(settings: Settings) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise BadSettings(
            f"STORYWIRE_DATA_DIR: {settings.data_dir} cannot be written: {exc.strerror}."
        ) from exc

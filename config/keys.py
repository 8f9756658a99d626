"""One secret, from which a key for each purpose is derived."""

import base64
import os
import secrets
from pathlib import Path

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from config.settings import SHORTEST, BadSettings, Settings


class Keys:
    """Keys derived from the site's secret (RFC 5869), one per purpose, so that none can stand in for another."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self._derived: dict[str, bytes] = {}

    def derive(self, purpose: str) -> bytes:
        """32 bytes for ``purpose``, always the same for the same secret."""
        if purpose not in self._derived:
            derived = HKDF(algorithm=SHA256(), length=32, salt=b"storywire", info=purpose.encode()).derive(self._secret)
            self._derived[purpose] = derived
        return self._derived[purpose]

    def fernet(self, purpose: str) -> bytes:
        """The same in the form that cryptography's Fernet takes."""
        return base64.urlsafe_b64encode(self.derive(purpose))


def _whole(path: Path) -> str:
    """The secret in that file; an empty or broken one would sign log-ins with what anybody can guess."""
    found = path.read_text("utf-8", "replace")
    if len(found) < SHORTEST or not found.isascii():
        raise BadSettings(f"{path} is damaged: it should hold a secret of {SHORTEST} characters or more. Bring it back from a backup.")
    return found


def load_keys(settings: Settings) -> Keys:
    """The keys of this site; on SQLite the secret is made at first use, readable by its owner alone."""
    given = settings.secret_key.get_secret_value()
    if given:
        return Keys(given)
    path = settings.data_dir / "secret.key"
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"secret.key.{os.getpid()}")
        if not path.exists():
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
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
    except OSError as exc:
        raise BadSettings(f"STORYWIRE_DATA_DIR: {settings.data_dir} cannot be written: {exc.strerror}.") from exc

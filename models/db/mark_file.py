"""The file beside a database that records the progress of sending, and that no restore replaces."""

import os
import zlib
from pathlib import Path

_SLOT_BYTES = 512  # a sector, so that a power loss while one slot is written leaves the other whole
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class MarkFile:
    """Two numbers: one that is on disk, and a later one that counts only until the next boot.

    On SQLite the worker's commits may be lost by a power loss, while this file is not: then the
    database would seem to be behind although nothing was restored.  So what the disk need not have
    is not counted after a restart of the machine.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def read(self, site: str) -> int:
        """The highest number that counts; 0 where there is none, or the file is damaged or another
        site's.
        """
        if self.path is None:
            return 0
        try:
            content = self.path.read_bytes()
        except OSError:
            return 0
        durable, quick = content[:_SLOT_BYTES], content[_SLOT_BYTES:]
        return max(_number(durable, site, ""), _number(quick, site, _boot_id()))

    def write(self, site: str, number: int, *, durable: bool) -> None:
        """Write one of the numbers.  Raises OSError.

        ``durable``: the database's disk has the commit that this number comes from.
        """
        if self.path is None:
            return
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            if durable:
                os.pwrite(file, _slot(site, number, ""), 0)
                os.fdatasync(file)
            elif boot_id := _boot_id():
                os.pwrite(file, _slot(site, number, boot_id), _SLOT_BYTES)
        finally:
            os.close(file)


def _boot_id() -> str:
    """The id of this boot of the machine; empty where it is unknown."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def _slot(site: str, number: int, boot_id: str) -> bytes:
    text = f"{site} {number} {boot_id or '-'}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode().ljust(_SLOT_BYTES)


def _number(slot: bytes, site: str, boot_id: str) -> int:
    text, _, checksum = slot.decode("ascii", "replace").strip().rpartition(" ")
    parts = text.split(" ")
    if len(parts) != 3 or checksum != f"{zlib.crc32(text.encode()):08x}":
        return 0
    if parts[0] != site or parts[2] != (boot_id or "-"):
        return 0
    return int(parts[1])

"""The guard of connections, where what it looks at ends meanwhile."""

import os
from pathlib import Path

import pytest

from web.middleware import connections


def test_a_connection_that_ends_while_it_is_looked_at_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "file").open("w") as file:  # its number was a connection's a moment ago
        monkeypatch.setattr(connections, "_socket_key", lambda descriptor: f"socket:[{descriptor}]")
        monkeypatch.setattr(os, "listdir", lambda _: [str(file.fileno()), str(2**20)])
        assert list(connections._accepted()) == []
        for descriptor in (file.fileno(), 2**20):
            gone = connections.Connection(
                f"socket:[{descriptor}]", descriptor, "192.0.2.1", 1.0, 1.0, 0, 1, False, False
            )
            connections._shut(gone, 2)

import os
import threading

import pytest

from cli.command_errors import CannotStart
from cli.process.worker_lock import FILE, worker_lock


def test_a_second_worker_is_refused_naming_the_first(tmp_path):
    with (
        worker_lock(tmp_path),
        pytest.raises(
            CannotStart,
            match=(
                rf"^Another worker \(process {os.getpid()}\) is already"
                r" using .*STORYWIRE_DATA_DIR\.$"
            ),
        ),
        worker_lock(tmp_path),
    ):
        pytest.fail("two workers on one database")


def test_the_lock_is_free_again_afterwards_though_its_file_stays(tmp_path):
    with worker_lock(tmp_path / "new"):
        pass
    assert (tmp_path / "new" / FILE).exists()
    with worker_lock(tmp_path / "new"):
        pass


def test_an_old_file_with_anything_in_it_does_not_lock(tmp_path):
    (tmp_path / FILE).write_bytes(b"\xff" * 100)
    with worker_lock(tmp_path):
        assert (tmp_path / FILE).read_text() == f"{os.getpid()}\n"


def test_a_worker_waits_for_one_that_is_just_ending(tmp_path):
    taken, release = threading.Event(), threading.Event()

    def first():
        with worker_lock(tmp_path):
            taken.set()
            release.wait()

    holder = threading.Thread(target=first)
    holder.start()
    taken.wait()
    threading.Timer(0.2, release.set).start()
    with worker_lock(tmp_path, wait=20):
        assert release.is_set()
    holder.join()


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            CannotStart, match=r"^STORYWIRE_DATA_DIR: .*file/var cannot be written: .*\.$"
        ),
        worker_lock(tmp_path / "file" / "var"),
    ):
        pytest.fail("no such folder")

"""Lines of the log, for people and for programs."""

import json
import logging

import pytest

from config.logging import discreet, set_up_logging
from config.settings import Settings


@pytest.fixture
def log():
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    yield logging.getLogger("notifier.of_this_test")
    root.handlers, root.level = kept


def test_json_lines_carry_fields_and_tracebacks_each_on_one_line(log, capsys):
    set_up_logging(Settings(log_format="json"), "worker")
    try:
        raise ValueError("no\nway")
    except ValueError:
        log.exception("alert %d failed", 3, extra={"fields": {"alert": 3}})
    [line] = capsys.readouterr().err.splitlines()
    found = json.loads(line)
    named = {name: found[name] for name in ("level", "process", "logger", "message", "alert")}
    assert named == {
        "level": "ERROR",
        "process": "worker",
        "logger": "notifier.of_this_test",
        "message": "alert 3 failed",
        "alert": 3,
    }
    assert found["traceback"].endswith("ValueError: no\nway")


def test_words_of_a_remote_are_logged_without_addresses_and_urls():
    words = "550 5.1.1 <reader@example.org>: see https://hooks.example.org/T0PSECRET now"
    assert discreet(words) == "550 5.1.1 … see … now"

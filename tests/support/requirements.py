"""Programs and servers that a test needs and that a machine may lack."""

import os

import pytest


def skip_without(part: str) -> None:
    """Skip a test whose part is not on this machine; where all are required, fail instead."""
    if os.environ.get("STORYWIRE_REQUIRE_SERVICES") == "1":
        pytest.fail(f"{part} is missing, and STORYWIRE_REQUIRE_SERVICES=1")
    pytest.skip(f"{part} is not on this machine")

"""Marks that choose the databases on which a test runs."""

import pytest

both_databases = pytest.mark.parametrize(
    "db", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgresql)], indirect=True
)
"""For tests of what pages save: on PostgreSQL too, with the clock that the product has there."""


sqlite_only = pytest.mark.parametrize("db", ["sqlite"], indirect=True)
"""For tests of what no database does differently: they need no second run on PostgreSQL."""

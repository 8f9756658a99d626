"""What the page on privacy says is stored is what the database stores."""

import re
from pathlib import Path

import models  # noqa: F401  every table
from models.tables.base import Base

PAGE = Path(__file__).parents[1] / "docs" / "privacy.md"


def sections() -> dict[str, str]:
    """The text of each section by the tables that its heading names; the last names in its text
    those that hold nothing.
    """
    found: dict[str, str] = {}
    for heading, text in re.findall(r"^## (.+)\n((?:(?!## ).*\n)*)", PAGE.read_text("utf-8"), re.M):
        for table in re.findall(r"`(\w+)`", heading if "`" in heading else text):
            found[table] = text if "`" in heading else ""
    return found


def test_every_column_that_may_say_something_of_a_person_is_named():
    said = sections()
    for table in Base.metadata.tables.values():
        assert table.name in said, (
            f"docs/privacy.md does not say whether `{table.name}` holds anything about a person"
        )
        if text := said[table.name]:
            missing = {column.name for column in table.columns} - set(re.findall(r"`(\w+)`", text))
            assert not missing, f"docs/privacy.md does not name {missing} of `{table.name}`"

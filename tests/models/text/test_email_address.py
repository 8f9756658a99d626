"""An address has one form, and the short way to it says what the library says."""

from email_validator import EmailNotValidError, validate_email
from hypothesis import example, given
from hypothesis import strategies as st

from models.text.email_address import normal_address
from models.text.errors import Invalid

_PARTS = st.sampled_from(
    [
        *"aZ9.-_+@!'\"( ",
        "..",
        "--",
        "xn--",
        "ab--c",
        "local",
        ".test",
        ".ORG",
        ".com",
        "é",
        "İ",
        "\u212a",
        "\n",
        "b" * 62,
        "c" * 120,
    ]
)


def by_the_library(value: str) -> str | None:
    try:
        return validate_email(value, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        return None


def by_us(value: str) -> str | None:
    try:
        return normal_address(value)
    except Invalid:
        return None


@given(
    local=st.lists(_PARTS, max_size=5).map("".join),
    domain=st.lists(_PARTS, max_size=6).map("".join),
    end=st.sampled_from(["", ".org"]),
)
@example("Reader", "Example", ".ORG")
@example("a" * 70, "example", ".org")
@example("a" * 190, "b" * 59, ".org")
@example("a" * 191, "b" * 59, ".org")
@example("a", "xn--80ak6aa92e", ".com")
@example("\u212aelvin", "example", ".org")
@example("a", "mail.localhost", "")
@example("a", "b" * 64, ".org")
def test_an_address_is_taken_and_written_as_the_library_does(local, domain, end):
    value = f"{local}@{domain}{end}"
    if value == " ".join(value.split()):  # white space around it is ours to remove
        assert by_us(value) == by_the_library(value)

"""The number of examples of a property test."""

from typing import Any

from hypothesis import settings

QUICK = "quick"  # the profile of `make check`
QUICK_SHARE = 4
MIN_EXAMPLES = 5


def examples(number: int, **options: Any) -> settings:
    """Settings for so many examples; a quarter of them under the profile ``quick``."""
    if settings.get_current_profile_name() == QUICK:
        number = max(MIN_EXAMPLES, number // QUICK_SHARE)
    return settings(max_examples=number, **options)

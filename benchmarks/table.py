"""Tables of ratios."""

from collections.abc import Mapping, Sequence
from statistics import median

UNSTEADY = 0.3


def rates(title: str, unit: str, found: Mapping[str, Sequence[float]], *, of: str) -> None:
    """Print the median rate of each row as a ratio to the row ``of``; ~ marks rows whose repetitions differ by over 30 %."""
    base, width = median(found[of]), max(map(len, found))
    print(f"\n{title}\n{'':{width}}  ratio   {unit}")
    for name, repetitions in found.items():
        middle = median(repetitions)
        mark = "~" if max(repetitions) - min(repetitions) > UNSTEADY * middle else " "
        print(f"{name:{width}}  {_ratio(middle / base):>6}{mark} {middle:8,.0f}")


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"

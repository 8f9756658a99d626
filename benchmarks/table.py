"""Tables of ratios."""

from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

UNSTEADY = 0.3


class Row(NamedTuple):
    """A comparison, measured several times in turn.  ``least`` or ``most`` bounds the ratio."""

    name: str
    ours: Sequence[float]
    peer: Sequence[float]
    unit: str
    of: str
    least: float | None = None
    most: float | None = None

    @property
    def ratio(self) -> float:
        """The median of the turns' ratios: other load on the machine slows both sides of a turn."""
        return median(own / other for own, other in zip(self.ours, self.peer, strict=True))

    @property
    def bound(self) -> str:
        """The bound of the ratio, and whether it is missed."""
        if self.least is None and self.most is None:
            return ""
        met = self.ratio >= self.least if self.least is not None else self.ratio <= (self.most or 0)
        return (
            f"{'>=' if self.least is not None else '<='}"
            f" {self.least or self.most:g}{'' if met else '  MISSED'}"
        )


def ratios(title: str, rows: Sequence[Row]) -> None:
    """Print a table; ~ marks rows of which either side's turns differ by over 30 %."""
    width, others = max(len(row.name) for row in rows), max(len(row.of) for row in rows)
    print(
        f"\n{title}\n{'':{width}}  ratio   {'of':{others}}  {'wanted':9} {'ours':>9} "
        f" {'the other':>9}"
    )
    for row in rows:
        mark = "~" if _unsteady(row.ours) or _unsteady(row.peer) else " "
        ours, peer = (_number(median(side)) for side in (row.ours, row.peer))
        ratio = f"{_ratio(row.ratio):>6}{mark} {row.of:{others}}  {row.bound:9}"
        print(f"{row.name:{width}}  {ratio} {ours:>9}  {peer:>9} {row.unit}", flush=True)


def rates(title: str, unit: str, rates_by_name: Mapping[str, Sequence[float]], *, of: str) -> None:
    """Print the median rate of each row as a ratio to the row ``of``; ~ marks rows whose
    repetitions differ by over 30 %.
    """
    base, width = median(rates_by_name[of]), max(map(len, rates_by_name))
    print(f"\n{title}\n{'':{width}}  ratio   {unit}")
    for name, repetitions in rates_by_name.items():
        middle = median(repetitions)
        mark = "~" if _unsteady(repetitions) else " "
        print(f"{name:{width}}  {_ratio(middle / base):>6}{mark} {middle:8,.0f}")


def _unsteady(repetitions: Sequence[float]) -> bool:
    return max(repetitions) - min(repetitions) > UNSTEADY * median(repetitions)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value >= 0.1 else f"{value:.3f}"

"""Plots as SVG, drawn on the server: values in, markup out. Colours and sizes are classes of
desk.css.
"""

from collections.abc import Sequence

from markupsafe import Markup

WIDTH, HEIGHT = 480, 120
Values = Sequence[int | None]
"""One for each step, None where nothing is known."""


def top(values: Values) -> int:
    """The end of a scale that holds all values: 1, 2 or 5 with noughts behind."""
    most, size = max((value or 0 for value in values), default=0), 1
    while True:
        for step in (1, 2, 5):
            if step * size >= most:
                return step * size
        size *= 10


def bars(
    name: str,
    title: str,
    description: str,
    values: Values,
    *,
    look: str = "bar",
    height: int = HEIGHT,
) -> Markup:
    """A bar for each value. ``name`` is unique on its page; title and description are read out in
    place of the picture.
    """
    scale, width = top(values), WIDTH / max(len(values), 1)
    shapes = []
    for n, value in enumerate(values):
        if value:
            tall = max(height * value / scale, 1)  # what is not nothing can be seen
            x, wide = n * width + width * 0.15, width * 0.7
            shapes.append(
                f'<rect class="{look}" x="{x:.1f}" y="{height - tall:.1f}" width="{wide:.1f}"'
                f' height="{tall:.1f}"/>'
            )
    return _svg(name, title, description, shapes, height)


def line(
    name: str, title: str, description: str, values: Values, *, height: int = HEIGHT
) -> Markup:
    """A line through the values, broken where nothing is known."""
    scale, step = top(values), WIDTH / max(len(values) - 1, 1)
    runs: list[list[str]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(f"{n * step:.1f},{height - (height - 2) * value / scale - 1:.1f}")
    # A run of one value would be no line at all.
    shapes = [
        f'<polyline class="line" points="{" ".join(run if len(run) > 1 else [*run, *run])}"/>'
        for run in runs
        if run
    ]
    return _svg(name, title, description, shapes, height)


def _svg(name: str, title: str, description: str, shapes: Sequence[str], height: int) -> Markup:
    grid = "".join(
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="{y:g}" y2="{y:g}"/>' for y in (0.5, height / 2)
    )
    inside = grid + "".join(shapes)
    frame = Markup(
        '<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{title}</title><desc'
        ' id="{name}-d">{description}</desc>{inside}</svg>'
    )
    shown = Markup(inside)  # noqa: S704  numbers and classes of our own
    return frame.format(
        width=WIDTH, height=height, name=name, title=title, description=description, inside=shown
    )

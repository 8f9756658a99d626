"""Plots as SVG, drawn on the server; desk.css has their colours and sizes."""

from collections.abc import Sequence

from markupsafe import Markup

WIDTH = 480
HEIGHT = 120
Values = Sequence[int | None]  # a value for each step, None where it is unknown


def top(values: Values) -> int:
    """The end of a scale for all values: 1, 2 or 5 times a power of ten."""
    largest = max((value or 0 for value in values), default=0)
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power >= largest:
                return factor * power
        power *= 10


def bars(
    name: str,
    title: str,
    description: str,
    values: Values,
    *,
    look: str = "bar",
    height: int = HEIGHT,
) -> Markup:
    """A bar for each value.  ``name`` is unique on its page.

    Screen readers read title and description in place of the picture.
    """
    scale = top(values)
    step = WIDTH / max(len(values), 1)
    shapes = []
    for number, value in enumerate(values):
        if value:
            bar_height = max(height * value / scale, 1)  # so that the smallest value can be seen
            shapes.append(
                f'<rect class="{look}" x="{(number + 0.15) * step:.1f}"'
                f' y="{height - bar_height:.1f}" width="{step * 0.7:.1f}"'
                f' height="{bar_height:.1f}"/>'
            )
    return _svg(name, title, description, shapes, height)


def line(
    name: str, title: str, description: str, values: Values, *, height: int = HEIGHT
) -> Markup:
    """A line through the values, interrupted where they are unknown."""
    scale = top(values)
    step = WIDTH / max(len(values) - 1, 1)
    runs: list[list[str]] = [[]]
    for number, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            y = height - (height - 2) * value / scale - 1
            runs[-1].append(f"{number * step:.1f},{y:.1f}")
    shapes = []
    for run in runs:
        points = run * 2 if len(run) == 1 else run  # one point alone would be no line
        if points:
            shapes.append(f'<polyline class="line" points="{" ".join(points)}"/>')
    return _svg(name, title, description, shapes, height)


def _svg(name: str, title: str, description: str, shapes: Sequence[str], height: int) -> Markup:
    grid = "".join(
        f'<line class="grid" x1="0" x2="{WIDTH}" y1="{y:g}" y2="{y:g}"/>' for y in (0.5, height / 2)
    )
    frame = Markup(
        '<svg viewBox="0 0 {width} {height}" preserveAspectRatio="none" role="img"'
        ' aria-labelledby="{name}-t {name}-d"><title id="{name}-t">{title}</title>'
        '<desc id="{name}-d">{description}</desc>{shapes}</svg>'
    )
    return frame.format(
        width=WIDTH,
        height=height,
        name=name,
        title=title,
        description=description,
        shapes=Markup(grid + "".join(shapes)),  # noqa: S704  numbers and classes of our own
    )

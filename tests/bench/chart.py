"""A measured curve as a picture: its series, its limits as dashed lines, and peers as marks at the right."""

from __future__ import annotations

from tests.bench.figures import Curve
from tests.bench.svg import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Picture, brief, data_ticks

PLOT_RIGHT, PLOT_BOTTOM = WIDTH - RIGHT, HEIGHT - BOTTOM
LABEL_HEIGHT = 15.0
MANY = 5
LETTER = 7.2  # about; for the legend


def draw(curve: Curve) -> str:
    """The SVG."""
    picture = Picture(curve.name, curve.title, describe(curve))
    points = [point for series in curve.series.values() for point in series]
    x = Axis([x for x, _ in points], LEFT + 10, PLOT_RIGHT - 10)
    values = [y for _, y in points] + list(curve.limits.values()) + list(curve.peers.values())
    y = Axis(values, PLOT_BOTTOM, TOP, pad=1.25)
    _frame(picture, curve, x, y)
    _limits(picture, curve, y)
    for number, series in enumerate(curve.series.values()):
        picture.path([(x.at(a), y.at(b)) for a, b in series], f"s{number}")
    _peers(picture, curve, y)
    return picture.markup()


def describe(curve: Curve) -> str:
    """The picture in words: where each series begins, ends and is highest."""
    said = []
    for name, series in curve.series.items():
        (first, low), (last, high), (best, top) = series[0], series[-1], max(series, key=lambda point: point[1])
        said.append(
            f"{name}: {brief(low)} at {first:,.0f}, {brief(top)} at most (at {best:,.0f}), {brief(high)} at {last:,.0f}"
        )
    said += [f"{name}: {brief(value)}" for name, value in (curve.limits | curve.peers).items()]
    return f"{curve.y} against {curve.x}, both axes logarithmic. {'; '.join(said)}."


def _frame(picture: Picture, curve: Curve, x: Axis, y: Axis) -> None:
    """Title, legend, axes and grid."""
    picture.text(LEFT, 26, curve.title, "title")
    at = LEFT
    for number, name in enumerate(curve.series):
        picture.swatch(at, 45, f"s{number}")
        picture.text(at + 20, 51, name)
        at += 44 + LETTER * len(name)
    for tick in y.ticks():
        picture.line(LEFT, y.at(tick), PLOT_RIGHT, y.at(tick), "grid")
        picture.text(LEFT - 8, y.at(tick) + 4.5, brief(tick), "end soft")
    picture.line(LEFT, PLOT_BOTTOM, PLOT_RIGHT, PLOT_BOTTOM, "axis")
    for tick in _x_ticks(curve):
        picture.line(x.at(tick), PLOT_BOTTOM, x.at(tick), PLOT_BOTTOM + 5, "axis")
        picture.text(x.at(tick), PLOT_BOTTOM + 20, brief(tick), "mid soft")
    picture.text((LEFT + PLOT_RIGHT) / 2, HEIGHT - 12, curve.x, "mid soft")
    picture.text(18, (TOP + PLOT_BOTTOM) / 2, curve.y, "mid soft", turned=True)


def _x_ticks(curve: Curve) -> list[float]:
    values = sorted({point for series in curve.series.values() for point, _ in series})
    powers = [value for value in values if (value.is_integer() and int(value).bit_count() == 1)]
    return data_ticks(powers if len(powers) > MANY else values)


def _limits(picture: Picture, curve: Curve, y: Axis) -> None:
    for name, value in curve.limits.items():
        picture.line(LEFT, y.at(value), PLOT_RIGHT, y.at(value), "limit")
        picture.text(LEFT + 6, y.at(value) - 6, f"{name}: {brief(value)}", "soft")


def _peers(picture: Picture, curve: Curve, y: Axis) -> None:
    """Marks from above to below, their names kept apart."""
    lowest = 0.0
    for name, value in sorted(curve.peers.items(), key=lambda peer: -peer[1]):
        place = y.at(value)
        lowest = max(lowest + LABEL_HEIGHT, place + 4.5)
        picture.diamond(PLOT_RIGHT - 8, place, "peer")
        picture.text(PLOT_RIGHT - 20, lowest, f"{name.replace('_pkcs11', ' PKCS#11')}: {brief(value)}", "end soft")

"""What a figure is: a value beside its limit, as a ratio, with a goal that is met or not; `bench.json` holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

SCHEMA = "kagimori/bench/v1"
Of = Literal["value", "ratio"]


@dataclass(frozen=True)
class Goal:
    """A bound on a figure's value or on its ratio; exactly one of the two bounds is given."""

    of: Of
    at_least: float | None = None
    at_most: float | None = None

    def met(self, value: float, ratio: float | None) -> bool:
        """Whether the figure keeps it. A ratio that was not measured keeps nothing."""
        seen = value if self.of == "value" else ratio
        if seen is None:
            return False
        return seen >= self.at_least if self.at_least is not None else seen <= (self.at_most or 0.0)


@dataclass(frozen=True)
class Limit:
    """What a figure is held against, and that one's own value in the same rounds, in the figure's unit."""

    what: str
    value: float


@dataclass(frozen=True)
class Figure:
    """One measured value.

    ``ratio``: median, round by round, of value to limit (unless the measure says otherwise in ``limit``);
    ``times``: it is read as "so many times", not in percent.
    """

    name: str
    group: str
    what: str
    value: float
    unit: str
    limit: Limit | None = None
    ratio: float | None = None
    times: bool = False
    goal: Goal | None = None

    @property
    def met(self) -> bool | None:
        """Whether its goal is met; None if it has none."""
        return None if self.goal is None else self.goal.met(self.value, self.ratio)

    def document(self) -> dict[str, Any]:
        """As it stands in `bench.json`."""
        goal = self.goal and {
            "of": self.goal.of,
            **{name: bound for name in ("at_least", "at_most") if (bound := getattr(self.goal, name)) is not None},
        }
        limit = self.limit and {"what": self.limit.what, "value": self.limit.value}
        plain = {name: getattr(self, name) for name in ("name", "group", "what", "value", "unit", "ratio", "times")}
        return {**plain, "limit": limit, "goal": goal, "met": self.met}

    @classmethod
    def of(cls, document: dict[str, Any]) -> Figure:
        """The figure of such a document."""
        plain = {key: value for key, value in document.items() if key not in ("limit", "goal", "met")}
        limit = Limit(**document["limit"]) if document["limit"] else None
        goal = Goal(**document["goal"]) if document["goal"] else None
        return cls(**plain, limit=limit, goal=goal)


@dataclass(frozen=True)
class Curve:
    """Points over a size, on two logarithmic axes: series, horizontal limits, and peers, whose speed has no size."""

    name: str
    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]]
    limits: dict[str, float] = field(default_factory=dict)
    peers: dict[str, float] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """As it stands in `bench.json`."""
        return dict(vars(self))

    @classmethod
    def of(cls, document: dict[str, Any]) -> Curve:
        """The curve of such a document."""
        series = {name: [(x, y) for x, y in points] for name, points in document["series"].items()}
        return cls(**{**document, "series": series})


@dataclass(frozen=True)
class Measured:
    """What one measure gives."""

    figures: list[Figure] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)  # what could not be measured here, and why

    def __add__(self, other: Measured) -> Measured:
        """Both, in this order."""
        return Measured(self.figures + other.figures, self.curves + other.curves, {**self.left_out, **other.left_out})


def at_least(bound: float, of: Of = "ratio") -> Goal:
    """A goal from below."""
    return Goal(of, at_least=bound)


def at_most(bound: float, of: Of = "ratio") -> Goal:
    """A goal from above."""
    return Goal(of, at_most=bound)

"""What all findings together mean: fit for production, for conversions only, or unfit, and exactly what is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from appliance.qualify.table import CONVERTING, PURPOSES, Check, Need, Purpose
from appliance.token.trials.findings import Finding, Result


class Fitness(StrEnum):
    """The verdict in a word."""

    FIT = "fit for production"
    UNDECIDED = "not decided"  # nothing required failed, and something required was not tried
    CONVERSIONS_ONLY = "conversions only"  # for trials of the software; a ceremony refuses it
    UNFIT = "unfit"


@dataclass(frozen=True)
class Row:
    """A check and what came of it. ``seconds``: how long it took."""

    check: Check
    finding: Finding
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it came out as it should."""
        return self.finding.result is Result.PASSED


@dataclass(frozen=True)
class Lack:
    """A purpose that the token does not serve, and the required checks that say so."""

    purpose: Purpose
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Verdict:
    """``lacks``: what is missing, by purpose. ``untried``: required checks that were not tried, and why.

    ``concessions``: recommended checks that did not pass, and what each costs.
    ``around``: what is done instead of what the token lacks.
    """

    fitness: Fitness
    lacks: tuple[Lack, ...]
    untried: tuple[Row, ...]
    concessions: tuple[Row, ...]
    around: tuple[Row, ...]


def judge(rows: Iterable[Row]) -> Verdict:
    """The verdict over all checks. No row at all means that nothing was shown, and that is no pass."""
    told = tuple(rows)
    required = [row for row in told if row.check.need is Need.REQUIRED]
    failed = [row for row in required if row.finding.result in (Result.MISSING, Result.DIFFERS)]
    untried = tuple(row for row in required if row.finding.result is Result.NOT_TRIED)
    lacks = tuple(
        Lack(purpose, rows)
        for purpose in PURPOSES
        if (rows := tuple(row for row in failed if row.check.purpose is purpose))
    )
    return Verdict(
        _fitness(required, failed, untried),
        lacks,
        untried,
        tuple(row for row in told if row.check.need is Need.RECOMMENDED and not row.passed),
        tuple(row for row in told if row.check.need is Need.WORKED_AROUND and not row.passed),
    )


def _fitness(required: list[Row], failed: list[Row], untried: tuple[Row, ...]) -> Fitness:
    if not failed and required:
        return Fitness.UNDECIDED if untried else Fitness.FIT
    converting = [row for row in required if row.check.purpose is CONVERTING]
    if converting and all(row.passed for row in converting):
        return Fitness.CONVERSIONS_ONLY
    return Fitness.UNFIT


def by_reason(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The ids of checks that were not tried, by why."""
    reasons: dict[str, list[str]] = {}
    for row in rows:
        reasons.setdefault(row.finding.evidence, []).append(row.check.id)
    return reasons


def headline(verdict: Verdict) -> str:
    """The verdict as one line."""
    missing = ", ".join(lack.purpose.lack for lack in verdict.lacks)
    match verdict.fitness:
        case Fitness.FIT:
            return "Fit for production."
        case Fitness.UNDECIDED:
            return "Not decided: nothing that was tried failed, and not everything that is required was tried."
        case Fitness.CONVERSIONS_ONLY:
            return f"Not fit for production ({missing}). It converts numbers rightly, so it serves for trials alone."
        case _:
            return f"Unfit ({missing or 'nothing was shown'})."

"""What came of a request, in numbers: for the authority's clerk, or as JSON for a machine."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from appliance.hubkit.linking import Finding, Linking
from appliance.linking.request import Request
from appliance.matching.decision import Outcome


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a request. ``reasons``: of those without a number, by the reason that weighs most.

    ``generation``, ``answer`` and ``sha256`` (of the answer) are None if nothing was converted and written.
    """

    sector: str
    reference: str
    asked: int
    matched: int
    ambiguous: int
    not_found: int
    numbers: int
    reasons: dict[str, int]
    generation: str | None
    residents: int
    answer: str | None
    sha256: str | None
    findings: str | None
    seconds: float


class Files(NamedTuple):
    """What was written: the answer, its SHA-256, the findings; None for what was not."""

    answer: str | None = None
    sha256: str | None = None
    findings: str | None = None


def result(
    asked: Request, findings: Sequence[Finding], residents: int, made: Linking | None, files: Files, began: float
) -> Result:
    """Count. ``made`` is None if nothing was converted; ``began`` is of the monotonic clock, in seconds."""
    outcomes = Counter(finding.outcome for finding in findings)
    left = [one.told[0] for one in findings if one.resident is None]
    unmatched = [one.reason for one in made.unmatched] if made else left
    return Result(
        sector=asked.header.sector,
        reference=asked.header.reference,
        asked=len(findings),
        matched=outcomes[Outcome.MATCHED],
        ambiguous=outcomes[Outcome.AMBIGUOUS],
        not_found=outcomes[Outcome.NOT_FOUND],
        numbers=len(made.linked) if made else 0,
        reasons=dict(Counter(unmatched).most_common()),
        generation=made.generation if made else None,
        residents=residents,
        answer=files.answer,
        sha256=files.sha256,
        findings=files.findings,
        seconds=round(time.monotonic() - began, 3),
    )


def text(one: Result) -> str:
    """The same for people."""
    shown = [
        f"request    {one.reference} of sector {one.sector}, {one.asked:,} people",
        f"register   {one.residents:,} residents",
        f"matched    {one.matched:,}",
        f"ambiguous  {one.ambiguous:,}",
        f"not found  {one.not_found:,}",
    ]
    shown.extend(f"           {count:,} × {reason}" for reason, count in one.reasons.items())
    if one.answer is None:
        shown.append("numbers    none asked for: a dry run")
    else:
        shown.append(f"numbers    {one.numbers:,}" + (f" of {one.generation}" if one.generation else ""))
        shown.extend((f"answer     {one.answer}", f"sha256     {one.sha256}"))
    if one.findings is not None:
        shown.append(f"findings   {one.findings}: for the authority alone")
    return "\n".join(shown)

"""Linking (紐付け): a sector that has only its own numbers gets the linkage number for each of its people.

1. The sector asks the numbering authority with what it knows of each person: the four attributes (4情報)
   and its own existing number (既存番号).
2. The authority looks the attributes up in the resident register (住基ネット): `decide`, by `appliance.matching`.
3. For each person found for certain, the appliance converts the resident code to sPIN and on to the sector's
   number (ssPIN_C): `number`. Who was not asked for is not converted: no number comes to be that nobody needs,
   and no entry about it in anybody's audit history.
4. The sector receives pairs (existing number, ssPIN_C) and stores them. It never sees a resident code.
5. Who was not found for certain goes back to the sector for inquiry, with an outcome and reasons. Whom the register
   has instead, the candidates, stays with the authority: a sector learns nothing of the register.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from appliance.hubkit.client import Client
from appliance.hubkit.register import FIRST_LINE, FourAttributes, Resident
from appliance.hubkit.wire import Converted, Result
from appliance.matching.decision import Decision, Outcome, Reason
from appliance.matching.match import match

NO_RESIDENT = str(Reason.NO_RESIDENT)  # nobody in the register is like that
SEVERAL_RESIDENTS = str(Reason.SEVERAL_RESIDENTS)  # several residents fit: nobody can say which is meant
NAME_COMMON = str(Reason.NAME_COMMON)  # somebody fits in part, but so may others of the same name
NOT_ENOUGH = str(Reason.NOT_ENOUGH)  # somebody is alike, but too much differs
SEVERAL_REQUESTS = str(Reason.SEVERAL_REQUESTS)  # one existing number twice, or several requests that mean one resident
REPEATED_CODE = "repeated_code"  # the register has the resident code under two people's attributes: it is nobody's
NOT_CONVERTED = "not_converted"  # the appliance refused the resident code
TOLD = (NO_RESIDENT, SEVERAL_RESIDENTS, NAME_COMMON, NOT_ENOUGH, SEVERAL_REQUESTS, REPEATED_CODE, NOT_CONVERTED)
"""Every reason that a sector is told. In what a resident differs is not among them: that would be register data."""


@dataclass(frozen=True, slots=True)
class LinkRequest:
    """What a sector asks with."""

    existing: str = field(repr=False)
    attributes: FourAttributes


@dataclass(frozen=True, slots=True)
class Linked:
    """A pair for the sector to store."""

    existing: str = field(repr=False)
    number: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unmatched:
    """A person for inquiry; ``reasons`` are of `TOLD`."""

    existing: str = field(repr=False)
    outcome: Outcome
    reasons: tuple[str, ...]

    @property
    def reason(self) -> str:
        """The reason that weighs most."""
        return self.reasons[0]


@dataclass(frozen=True, slots=True)
class Linking:
    """The answer to a sector: each request is in exactly one of the lists, in the order asked.

    ``generation`` (``sspin.C.1``) made the numbers; None when nobody matched.
    """

    generation: str | None
    linked: tuple[Linked, ...]
    unmatched: tuple[Unmatched, ...]


class Entry(NamedTuple):
    """Where a resident stands in the register (the header is line 1), and the resident code."""

    line: int
    code: str

    def __repr__(self) -> str:
        return f"Entry(line={self.line})"


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody in the register who might be meant, and in what they differ from what was asked."""

    entry: Entry
    differences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What the authority finds about one request, for its own eyes: ``resident`` is who is meant, None if not certain.

    ``seen`` are those who were left in doubt.
    """

    existing: str = field(repr=False)
    outcome: Outcome
    reasons: tuple[str, ...]
    resident: Entry | None
    seen: tuple[Seen, ...]

    @property
    def told(self) -> tuple[str, ...]:
        """The reasons that the sector is told."""
        return tuple(reason for reason in self.reasons if reason in TOLD) or (NOT_ENOUGH,)

    def doubted(self, reason: str) -> Finding:
        """The same, but certain no more."""
        return replace(self, outcome=Outcome.AMBIGUOUS, reasons=(reason,), resident=None)


def link(
    client: Client,
    register: Iterable[Resident],
    requests: Sequence[LinkRequest],
    target: str,
    *,
    purpose: str,
    reference: str,
    processes: int | None = 1,
) -> Linking:
    """Match a sector's requests against the register and number those found.

    Memory grows with the requests, not with the register; both conversions and reading are streamed.
    ``processes``: as `appliance.matching.match.match`; more than one speed up long registers, in programs that have an
    import guard.

    Raises:
        Refused, StreamBroken, …: as `Client.convert_stream`; the sector then receives nothing.
    """
    findings = decide(register, requests, processes=processes)
    return number(client, findings, target, purpose=purpose, reference=reference)


def decide(
    register: Iterable[Resident],
    requests: Sequence[LinkRequest],
    *,
    progress: Callable[[int], None] | None = None,
    processes: int | None = 1,
) -> tuple[Finding, ...]:
    """Whom each request means, in order; nothing is converted. ``progress`` is told the register's lines read.

    ``processes``: as `appliance.matching.match.match`.

    Raises:
        RegisterError: if ``register`` does.
    """
    times = Counter(request.existing for request in requests)
    clear = [request for request in requests if times[request.existing] == 1]
    rows = ((one.attributes, Entry(line, one.code)) for line, one in enumerate(register, FIRST_LINE))
    decisions = match([one.attributes for one in clear], rows, progress=progress, processes=processes)
    decided = iter(_one_for_each(clear, decisions))
    return tuple(next(decided) if times[request.existing] == 1 else _asked_twice(request) for request in requests)


def _one_for_each(requests: Sequence[LinkRequest], decisions: Sequence[Decision[Entry]]) -> Iterator[Finding]:
    """Findings from decisions; one resident belongs to one request at most, one code to one resident."""
    asked = Counter(decision.resident.code for decision in decisions if decision.resident is not None)
    lines = _lines_by_code(decisions)
    for request, decision in zip(requests, decisions, strict=True):
        finding = _finding(request, decision)
        if finding.resident is not None and len(lines[finding.resident.code]) > 1:
            finding = finding.doubted(REPEATED_CODE)
        elif finding.resident is not None and asked[finding.resident.code] > 1:
            finding = finding.doubted(SEVERAL_REQUESTS)
        yield finding


def _lines_by_code(decisions: Iterable[Decision[Entry]]) -> Mapping[str, set[int]]:
    """The register's lines under each code that any decision names."""
    lines: defaultdict[str, set[int]] = defaultdict(set)
    for decision in decisions:
        for entry in (decision.resident, *(candidate.resident for candidate in decision.candidates)):
            if entry is not None:
                lines[entry.code].add(entry.line)
    return lines


def _finding(request: LinkRequest, decision: Decision[Entry]) -> Finding:
    seen = tuple(Seen(one.resident, tuple(str(reason) for reason in one.differences)) for one in decision.candidates)
    reasons = tuple(str(reason) for reason in decision.reasons)
    return Finding(request.existing, decision.outcome, reasons, decision.resident, seen)


def _asked_twice(request: LinkRequest) -> Finding:
    return Finding(request.existing, Outcome.AMBIGUOUS, (SEVERAL_REQUESTS,), None, ())


def number(
    client: Client,
    findings: Sequence[Finding],
    target: str,
    *,
    purpose: str,
    reference: str,
    progress: Callable[[int], None] | None = None,
) -> Linking:
    """Number those found for certain, in one stream. ``progress`` is told how many numbers there are.

    Raises:
        Refused, StreamBroken, …: as `Client.convert_stream`.
    """
    sure = {finding.existing: finding.resident.code for finding in findings if finding.resident is not None}
    results: dict[str, Result] = {}
    generation = None
    if sure:
        with client.convert_stream("resident", target, sure.values(), purpose=purpose, reference=reference) as stream:
            for existing, result in zip(sure, stream, strict=True):
                results[existing] = result
                if progress is not None:
                    progress(len(results))
            generation = stream.target
    return _sorted_out(findings, results, generation)


def _sorted_out(findings: Iterable[Finding], results: Mapping[str, Result], generation: str | None) -> Linking:
    linked: list[Linked] = []
    unmatched: list[Unmatched] = []
    for finding in findings:
        result = results.get(finding.existing)
        if isinstance(result, Converted):
            linked.append(Linked(finding.existing, result.number))
        elif result is not None:
            unmatched.append(Unmatched(finding.existing, Outcome.NOT_FOUND, (NOT_CONVERTED,)))
        else:
            unmatched.append(Unmatched(finding.existing, finding.outcome, finding.told))
    return Linking(generation if linked else None, tuple(linked), tuple(unmatched))

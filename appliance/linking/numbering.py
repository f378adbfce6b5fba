"""``appliance numbering link``: the numbering authority answers a sector's request."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from appliance.bulk import rights
from appliance.bulk.errors import NotAllowed
from appliance.hubkit import linking, register
from appliance.hubkit.client import Client
from appliance.hubkit.linking import Finding, Linking
from appliance.hubkit.register import Resident
from appliance.hubkit.sectorfile import utc_now
from appliance.linking import answer, files, request
from appliance.linking.files import NewFile
from appliance.linking.request import Request
from appliance.linking.result import Files, Result, result
from appliance.linking.sealed import MOST_PEOPLE
from appliance.progress import bar

TIMEOUT = 60.0  # seconds that nothing may move
FINDINGS = ("existing", "outcome", "reasons", "register_line", "differences")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is wanted. ``findings``: where the authority's clerk finds who was left in doubt; None: nowhere."""

    request: Path
    register: Path
    findings: Path | None


def look(job: Job) -> Result:
    """Match only: who would get a number. No number is asked for, and no daemon needed.

    Raises:
        FileRefused, RegisterError: request or register break a rule. OutputExists, FileUnusable: as of `carry_out`.
    """
    began = time.monotonic()
    asked = _prepared(job)
    findings, residents = _decided(job, asked)
    _write_findings(job, findings)
    return result(asked, findings, residents, None, Files(findings=_named(job)), began)


def carry_out(job: Job, socket: Path, purpose: str, out: Path) -> Result:
    """Match, convert those found for certain, and write the answer; it has its name when it is whole and on the disk.

    Raises:
        FileRefused, RegisterError: request or register break a rule.
        OutputExists, FileUnusable: a file cannot be written, or read.
        NotAllowed: the role may not do it. HubkitError: the daemon refused, or its answer did not come.
    """
    began = time.monotonic()
    asked = _prepared(job)
    with NewFile(out) as file:
        limit = _check_rights(socket, f"sspin.{asked.header.sector}", purpose)
        findings, residents = _decided(job, asked)
        made = _numbered(socket, asked, findings, purpose, limit)
        digest = answer.write(file, asked, made, utc_now().strftime("%Y-%m-%dT%H:%M:%SZ"))
        _write_findings(job, findings)
        file.publish()
    return result(asked, findings, residents, made, Files(str(out), digest, _named(job)), began)


def _prepared(job: Job) -> Request:
    """The request, read before anything else; that register and findings can be what they are named as is looked at."""
    if job.findings is not None:
        files.refuse_existing(job.findings)
    with files.opened(job.register):
        return request.read(job.request)


def _check_rights(socket: Path, target: str, purpose: str) -> int:
    """How many numbers a stream may have. The daemon is asked before the register is read, which may take an hour."""
    with Client(socket, timeout=TIMEOUT) as client:
        may, status = rights.read(client)
    if not status.ready:
        raise NotAllowed(f"the daemon would not convert now: {status.reason}", "`appliance status` says more")
    rights.check_purpose(may, purpose)
    rights.for_convert(may, "resident", target)
    return rights.segment_size(may, MOST_PEOPLE)


def _decided(job: Job, asked: Request) -> tuple[tuple[Finding, ...], int]:
    """Findings, and how many residents the register has."""
    counted = 0

    def each(file: BinaryIO) -> Iterator[Resident]:
        nonlocal counted
        for resident in register.parse(file):
            counted += 1
            yield resident

    with files.opened(job.register) as file, files.lines_shown("register", file) as show:
        return linking.decide(
            each(file), asked.people, progress=lambda done: show(done, counted), processes=None
        ), counted


def _numbered(socket: Path, asked: Request, findings: Sequence[Finding], purpose: str, limit: int) -> Linking:
    certain = sum(finding.resident is not None for finding in findings)
    if certain > limit:
        raise NotAllowed(
            f"{certain} numbers are more than the {limit} that the role may ask for in one stream",
            "let the sector make smaller requests: appliance sector request --most",
        )
    with Client(socket, timeout=TIMEOUT) as client, bar("numbers", "numbers") as show:
        return linking.number(
            client,
            findings,
            f"sspin.{asked.header.sector}",
            purpose=purpose,
            reference=asked.header.reference,
            progress=lambda done: show(done, certain),
        )


def _named(job: Job) -> str | None:
    return None if job.findings is None else str(job.findings)


def _write_findings(job: Job, findings: Sequence[Finding]) -> None:
    """A line for each resident who was left in doubt, or one for a request that leads to nobody."""
    if job.findings is not None:
        files.write_csv(job.findings, FINDINGS, _rows(findings))


def _rows(findings: Iterable[Finding]) -> Iterator[tuple[object, ...]]:
    for one in findings:
        if one.resident is None:
            about = one.existing, one.outcome, " ".join(one.reasons)
            for seen in one.seen:
                yield *about, seen.entry.line, " ".join(seen.differences)
            if not one.seen:
                yield *about, "", ""

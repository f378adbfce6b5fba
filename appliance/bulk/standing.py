"""How far an unfinished job is, from its folder alone."""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.bulk.folder import JobFolder


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """``done`` is the part of the input that is behind the last checkpoint, from 0 to 1; None where nobody can tell."""

    kind: str
    input: str
    output: str
    source: str
    target: str
    began: str
    running: bool
    segments: int
    rows: int
    counts: dict[str, int]
    seconds: float
    done: float | None
    read: bool


def standing(output: Path) -> Standing:
    """How far the job for an output is.

    Raises:
        JobMissing, JobUnusable: there is none, or its folder cannot be read.
    """
    folder = JobFolder(output)
    running = folder.busy()
    spec, checkpoint = folder.spec(), folder.checkpoint()
    size = spec.fingerprint.get("size")
    at = (checkpoint.source or {}).get("byte", 0 if checkpoint.source is None else None)
    part = at / size if isinstance(size, int) and size and at is not None else None
    return Standing(
        kind=spec.kind,
        input=spec.input,
        output=spec.output,
        source=spec.source,
        target=spec.target,
        began=spec.began,
        running=running,
        segments=checkpoint.segments,
        rows=checkpoint.rows,
        counts=checkpoint.counts,
        seconds=checkpoint.seconds,
        done=1.0 if checkpoint.read else part,
        read=checkpoint.read,
    )


def text(found: Standing) -> str:
    """For a person."""
    part = "" if found.done is None else f", {found.done:.0%} of the input"
    counts = ", ".join(f"{count:,} {name}" for name, count in found.counts.items()) or "none yet"
    now = "running" if found.running else "not running"
    lines = [
        f"{found.kind} {found.source} → {found.target}, begun {found.began}, {now}",
        f"input      {found.input}",
        f"rows       {found.rows:,} in {found.segments:,} segment{'s' * (found.segments != 1)}{part}",
        f"outcomes   {counts}",
    ]
    if not found.running:
        lines.append(f"go on      appliance bulk resume {found.output}")
    return "\n".join(lines)

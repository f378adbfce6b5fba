"""What a finished job says: rows by outcome, generations, digests, time; as text and as a file beside the output."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from appliance.bulk import counting
from appliance.ledger.text import render_instant
from appliance.progress import rate

SUFFIX = ".summary.json"


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The file ``OUTPUT.summary.json``. No field holds a number of a person."""

    type: Literal["kagimori/bulk-summary/v1"] = "kagimori/bulk-summary/v1"
    kind: str
    input: str
    output: str
    rejects: str | None
    column: str
    source: str
    target: str
    purpose: str
    reference: str
    rows: int
    counts: dict[str, int]
    began: str
    ended: str
    seconds: float
    input_sha256: str
    output_sha256: str | None
    census: str | None = None
    census_sha256: str | None = None

    @property
    def rejected(self) -> int:
        """Rows that were left out."""
        return counting.rejected(self.counts)


def path_of(output: Path) -> Path:
    """Where the summary of a job is."""
    return output.with_name(output.name + SUFFIX)


def now() -> str:
    """The time, as the ledger writes it."""
    return render_instant(datetime.now(UTC))


def text(summary: Summary) -> str:
    """For a person."""
    counts = summary.counts
    lines = [f"rows       {summary.rows:,}"]
    if summary.kind == "census":
        lines += [f"{name:<10} {count:,}" for name, count in counts.items() if name not in counting.REJECTED]
        lines += [f"{name:<10} {counts[name]:,}" for name in counting.REJECTED if name in counts]
    else:
        asked_back = ", each asked back" if summary.kind == "rekey" else ""
        done = counts.get("converted", 0)
        lines.append(f"converted  {done:,} from {summary.source} to {summary.target}{asked_back}")
        if kept := counts.get("kept", 0):
            lines.append(f"kept       {kept:,} empty")
        lines.append(f"rejected   {_rejected(summary)}")
    lines.append(f"took       {_took(summary.seconds)}, {rate(summary.rows / max(summary.seconds, 1e-3))}")
    lines.append(f"output     {summary.output}")
    if summary.output_sha256:
        lines.append(f"sha256     {summary.output_sha256}")
    if summary.census:
        lines.append(f"census     {summary.census}, sha256 {summary.census_sha256}")
    if mixed := counts.get("already_current", 0):
        lines.append(f"note       {mixed:,} numbers were of {summary.target} already: a mixed file (docs/bulk.md)")
    return "\n".join(lines)


def _rejected(summary: Summary) -> str:
    if not summary.rejected:
        return "none"
    named = ", ".join(f"{summary.counts[name]:,} {name}" for name in counting.REJECTED if summary.counts.get(name))
    where = f", listed in {summary.rejects}" if summary.rejects else ""
    return f"{summary.rejected:,}: {named}{where}"


def _took(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"

"""What a job would meet: the whole input read, rights and generations asked for, room on the disk. No number is sent.

So whether a well-formed number is anybody's is not known before the job itself.
"""

from __future__ import annotations

import shutil

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.bulk import job, lines, rights
from appliance.bulk.asking import TIMEOUT
from appliance.bulk.job import Wanted
from appliance.bulk.tables.opening import format_of
from appliance.bulk.tables.table import Batch, Source
from appliance.hubkit.client import Client
from appliance.numbers.columns import parse_lines
from appliance.numbers.formats import Format
from appliance.progress import bar


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """``well_formed`` rows would be asked about. ``room``: free bytes where the output goes, of about ``needed``."""

    kind: str
    source: str
    target: str
    generations: tuple[str, ...]
    rows: int
    well_formed: int
    malformed: int
    empty: int
    wrong_columns: int
    segments: int
    needed: int
    room: int

    @property
    def lacking(self) -> bool:
        """Whether the disk is too small."""
        return self.needed > self.room


def look(wanted: Wanted) -> Look:
    """Read the input, and ask the daemon.

    Raises:
        OutputExists, JobExists, NotAllowed, TableError, HubkitError: as the job itself would.
    """
    with job.opened(wanted) as source:
        spec = job.pinned(wanted, source)
        with Client(wanted.socket, timeout=TIMEOUT) as client:
            may, _ = rights.read(client)
        numbers = may.domain(spec.source).numbers()
        counts = _counted(source, spec.segment, numbers)
        size = source.fingerprint()["size"]
        copies = 0 if wanted.kind == "census" else 2 if format_of(wanted.input, wanted.format) == "parquet" else 1
        return Look(
            kind=wanted.kind,
            source=spec.source,
            target=spec.target,
            generations=spec.generations,
            rows=int(counts[:4].sum()),
            well_formed=int(counts[0]),
            malformed=int(counts[1]),
            empty=int(counts[2]),
            wrong_columns=int(counts[3]),
            segments=int(counts[4]),
            needed=copies * int(size),
            room=shutil.disk_usage(wanted.output.absolute().parent).free,
        )


def _counted(source: Source, size: int, numbers: Format) -> NDArray[np.int64]:
    """Well formed, malformed, empty, wrong columns, segments."""
    counts = np.zeros(5, np.int64)
    with bar("reading", "units") as show:
        for batch in source.batches(None, size):
            counts += _of(batch, numbers)
            show(source.done(batch.end), source.size_units)
    return counts


def _of(batch: Batch, numbers: Format) -> NDArray[np.int64]:
    there = ~(batch.empty | batch.broken)
    good = np.count_nonzero(parse_lines(lines.choose(batch.lines, there), numbers)[2])
    present, broken = np.count_nonzero(there), np.count_nonzero(batch.broken)
    return np.array([good, present - good, batch.count - present - broken, broken, 1])


def told(seen: Look) -> str:
    """For a person."""
    way = f"{seen.source} → {seen.target}" if seen.kind != "census" else ", ".join(seen.generations)
    gigabytes = f"about {seen.needed / 1e9:.2f} GB needed, {seen.room / 1e9:.2f} GB free"
    texts = [
        f"dry run    {seen.kind} {way}: allowed, and no number was sent",
        f"rows       {seen.rows:,} in {seen.segments:,} segment{'s' * (seen.segments != 1)}",
        f"to ask     {seen.well_formed:,} well-formed numbers; whether they are anybody's only the job can tell",
        f"left out   {seen.malformed:,} malformed_number, {seen.empty:,} empty, {seen.wrong_columns:,} wrong_columns",
        f"disk       {gigabytes}{': TOO LITTLE' if seen.lacking else ''}",
    ]
    return "\n".join(texts)

"""Which run files of the folder make up the index: without a gap, and of no more records than the log has.

A crash leaves an unfinished file behind, or runs that a merged one has made needless; both are removed. Anything else
that does not fit (a damaged file, a missing one, another log's) costs the runs after it, and the log gives their tags
again: everything here is derived.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from appliance.audit.tagindex.runs import UNFINISHED, Run, RunDamaged, Span


class Loaded(NamedTuple):
    """The runs that are good, from the oldest to the newest; and why they are not all there were (None: they are)."""

    runs: tuple[Run, ...]
    rebuilt_reason: str | None


def load(folder: Path, *, first: int, size: int) -> Loaded:
    """Open the runs in ``folder``, which is made if it is not there. What is of no use is removed.

    Args:
        folder: the index's own; files with other names are left alone.
        first: the log's oldest record that is still there.
        size: how many records the log has.

    Raises:
        OSError: the system refuses.
    """
    folder.mkdir(mode=0o750, exist_ok=True)
    for path in folder.glob("*" + UNFINISHED):
        path.unlink()
    runs: list[Run] = []
    reasons: list[str] = []
    covered = first - 1
    for path, span in _files(folder):
        if span.last <= covered:  # merged into the one before, or pruned
            path.unlink()
            continue
        try:
            runs.append(_next(path, span, covered, size, first_one=not runs))
            covered = span.last
        except (RunDamaged, OSError) as error:
            reasons.append(f"{path.name}: {error.strerror if isinstance(error, OSError) else error}")
            path.unlink()
    return Loaded(tuple(runs), reasons[0] if reasons else None)


def _files(folder: Path) -> list[tuple[Path, Span]]:
    """Run files by their first record; of those that begin alike, the longest first."""
    named = [(path, span) for path in folder.iterdir() if (span := Span.of(path))]
    return sorted(named, key=lambda file: (file[1].first, -file[1].last))


def _next(path: Path, span: Span, covered: int, size: int, *, first_one: bool) -> Run:
    if span.last > size:
        raise RunDamaged(f"it knows record {span.last}, and the log has {size}")
    if span.first > covered + 1:
        raise RunDamaged(f"records {covered + 1} to {span.first - 1} are missing before it")
    if span.first <= covered and not first_one:
        raise RunDamaged(f"it begins before record {covered}, the last one of the run before")
    return Run.open(path)

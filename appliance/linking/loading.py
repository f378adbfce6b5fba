"""``appliance sector load`` and ``correct --csv``: a whole file taken into a sector file, and what of it was not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from appliance.hubkit.intake import TWICE, Accept, Row, Taken
from appliance.hubkit.sector import Sector
from appliance.linking import files
from appliance.linking.errors import FileRefused
from appliance.linking.people import People

_LEFT_OUT = {
    TWICE: "the existing number stands in several lines; none of them was taken",
    "unknown": "nobody here has this existing number",
}
Take = Callable[[Iterable[Row], Accept], Taken]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a file, in numbers of people; ``otherwise``: values by column that were written in another way.

    ``updated``: changed people were stored as the file has them.
    """

    sector: str
    lines: int
    new: int
    changed: int
    updated: bool
    same: int
    rejected: int
    rejects: str | None
    otherwise: dict[str, int]


def load(sector: Sector, path: Path, encoding: str, rejects: Path, *, strict: bool, update: bool) -> Loaded:
    """Enter the people of a file.

    Raises:
        FileRefused: the header is another one; with ``strict``, if any line cannot be taken. Nothing was stored.
        OutputExists, FileUnusable, SectorError: a file cannot be read or written. Nothing was stored.
    """

    def take(rows: Iterable[Row], accept: Accept) -> Taken:
        return sector.intake.load(rows, accept, update=update)

    return _take(sector, path, encoding, rejects, strict, update, take)


def correct(sector: Sector, path: Path, encoding: str, rejects: Path, *, strict: bool) -> Loaded:
    """Correct the people of a file.

    Raises:
        FileRefused, OutputExists, FileUnusable, SectorError: as `load`.
    """
    return _take(sector, path, encoding, rejects, strict, True, sector.intake.correct)


def _take(sector: Sector, path: Path, encoding: str, rejects: Path, strict: bool, update: bool, take: Take) -> Loaded:
    with files.opened(path) as file, files.lines_shown("reading", file) as show:
        people = People(str(path), file, encoding)

        def accept(taken: Taken) -> None:
            """Bad lines are on the disk before good ones count."""
            bad = _bad(people, taken)
            if bad:
                files.write_csv(rejects, ("line", "reason"), bad)
            if bad and strict:
                raise FileRefused(
                    f"{path}: {len(bad)} lines cannot be taken; with --strict, nothing was stored",
                    f"{rejects} lists them",
                )

        taken = take(people.rows(lambda done: show(done, done)), accept)
    bad = _bad(people, taken)
    return Loaded(
        sector=sector.letter,
        lines=people.lines - 1,
        new=taken.new,
        changed=taken.changed,
        updated=update,
        same=taken.same,
        rejected=len(bad),
        rejects=str(rejects) if bad else None,
        otherwise=dict(people.otherwise),
    )


def _bad(people: People, taken: Taken) -> list[tuple[int, str]]:
    return sorted([*people.rejects, *((line, _LEFT_OUT[why]) for line, why in taken.left_out)])


def text(loaded: Loaded) -> str:
    """The same for people."""
    changed = "corrected" if loaded.updated else "left as they are; --update takes them"
    shown = [f"sector     {loaded.sector}", f"lines      {loaded.lines:,}", f"new        {loaded.new:,}"]
    shown.append(f"unchanged  {loaded.same:,}")
    shown.append(f"changed    {loaded.changed:,}" + (f", {changed}" if loaded.changed else ""))
    if loaded.otherwise:
        told = ", ".join(f"{count:,} × {column}" for column, count in sorted(loaded.otherwise.items()))
        shown.append(f"read as    1970-01-31 and 男, 女 what was written otherwise: {told}")
    shown.append(f"rejected   {loaded.rejected:,} lines, in {loaded.rejects}" if loaded.rejects else "rejected   none")
    return "\n".join(shown)

"""Who could not be linked, and what the sector does about it: the list that its clerks work off.

open ──corrected──► corrected ──asked again, in vain──► open
open, corrected ──closed, with a reason──► closed ──reopened──► open
Whoever is linked is on the list no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from sqlite3 import Connection
from typing import TYPE_CHECKING

from appliance.hubkit.sectorfile import SectorError, SectorFile
from appliance.matching.attributes import FourAttributes

if TYPE_CHECKING:
    from appliance.hubkit.linking import Unmatched  # matching is not loaded for those who only read the list

LONGEST_NOTE = 200  # characters
ALREADY_LINKED = "already_linked"  # the sector's own reason: their number is that of another of its people


class State(StrEnum):
    """Where an inquiry stands."""

    OPEN = "open"
    CORRECTED = "corrected"  # to be asked again
    CLOSED = "closed"  # not asked again


class Because(StrEnum):
    """Why an inquiry was closed without a number."""

    MOVED_ABROAD = "moved_abroad"
    DECEASED = "deceased"
    NOT_IN_REGISTER = "not_in_register"  # somebody whom the resident register does not have, as inquiry has shown
    DUPLICATE_RECORD = "duplicate_record"  # the sector has the same person under another existing number
    OTHER = "other"  # with a note


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One person on the list. ``since``: when first asked in vain; ``asked``: how often.

    ``same_as``: of `ALREADY_LINKED`, whose number it is.
    """

    existing: str = field(repr=False)
    outcome: str
    reasons: tuple[str, ...]
    since: str
    asked: int
    state: State
    because: Because | None
    note: str | None = field(repr=False)
    same_as: str | None = field(repr=False)


class Inquiries:
    """The list of one sector file."""

    def __init__(self, file: SectorFile) -> None:
        self._file = file

    def every(self, reason: str | None = None) -> Iterator[tuple[Inquiry, FourAttributes]]:
        """Everybody on the list, in order of their existing numbers; or those with one reason among theirs."""
        rows = self._file.rows(
            "SELECT existing, outcome, reasons, since, asked, state, because, note, same_as,"
            " name, address, birth_date, sex FROM inquiry JOIN person USING (existing)"
            " WHERE ?1 IS NULL OR instr(' ' || reasons || ' ', ' ' || ?1 || ' ') ORDER BY existing",
            reason,
        )
        for existing, outcome, reasons, since, asked, state, because, note, same_as, *attributes in rows:
            closed = None if because is None else Because(because)
            why = tuple(reasons.split())
            found = Inquiry(existing, outcome, why, since, asked, State(state), closed, note, same_as)
            yield found, FourAttributes(*attributes)

    def state(self, existing: str) -> State | None:
        """Where a person's inquiry stands; None: they are not on the list."""
        row = self._file.one("SELECT state FROM inquiry WHERE existing = ?", existing)
        return None if row is None else State(row[0])

    def close(self, existing: str, because: Because, note: str | None = None) -> None:
        """End an inquiry without a number: the person is not asked about, and no answer counts, while it is closed.

        Raises:
            SectorError: they are not on the list, or closed already; a note is missing or does not fit.
        """
        if (because is Because.OTHER and not note) or (note is not None and not _fits(note)):
            raise SectorError(
                f"the reason needs a note in one line of at most {LONGEST_NOTE} characters", "say it with --note"
            )
        with self._file.writing("the reason does not fit") as db:
            self._must_be(existing, State.OPEN, State.CORRECTED)
            db.execute(
                "UPDATE inquiry SET state = 'closed', because = ?, note = ?, changed = ? WHERE existing = ?",
                (because, note, self._file.now(), existing),
            )

    def reopen(self, existing: str) -> None:
        """Take up a closed inquiry again.

        Raises:
            SectorError: it is not closed.
        """
        with self._file.writing("it cannot be opened") as db:
            self._must_be(existing, State.CLOSED)
            db.execute(
                "UPDATE inquiry SET state = 'open', because = NULL, note = NULL, changed = ? WHERE existing = ?",
                (self._file.now(), existing),
            )

    def _must_be(self, existing: str, *states: State) -> None:
        state = self.state(existing)
        if state not in states:
            is_now = "there is no inquiry about this person" if state is None else f"the inquiry is {state}"
            raise SectorError(f"sector {self._file.letter}: {is_now}", "`appliance sector inquiries` lists them all")

    def note(self, db: Connection, unmatched: Iterable[Unmatched], same_as: Mapping[str, str]) -> None:
        """Put people on the list, or count once more that they were asked about in vain; in a caller's transaction.

        ``same_as``: those of `ALREADY_LINKED`, and whose number it is.
        """
        now = self._file.now()
        db.executemany(
            "INSERT INTO inquiry VALUES (?1, ?2, ?3, ?4, 1, 'open', ?4, NULL, NULL, ?5) ON CONFLICT DO UPDATE"
            " SET outcome = ?2, reasons = ?3, asked = asked + 1, state = 'open', changed = ?4, same_as = ?5",
            ((one.existing, one.outcome, " ".join(one.reasons), now, same_as.get(one.existing)) for one in unmatched),
        )


def _fits(note: str) -> bool:
    return 0 < len(note) <= LONGEST_NOTE and note.replace("\u3000", " ").isprintable()

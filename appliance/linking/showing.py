"""What a sector's clerk is shown: where the sector stands, the list for inquiry, and tables for other programs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.cells import cell_len

from appliance.commandline import visible
from appliance.hubkit.inquiries import Inquiry
from appliance.hubkit.sector import Sector
from appliance.hubkit.standing import Standing
from appliance.linking import files
from appliance.linking.people import COLUMNS
from appliance.linking.words import ADVICE, BECAUSE, LABELS, OUTCOMES, REASONS, STATES, Language, Text

LINKS = ("existing", "number", "generation")
INQUIRIES = (
    *COLUMNS,
    "outcome",
    "reasons",
    "state",
    "first_asked",
    "times_asked",
    "because",
    "note",
    "same_as",
    "advice",
)
_COUNTS = ("people", "linked", "new", "waiting", "open", "corrected", "closed")


def standing(found: Standing, language: Language) -> str:
    """Numbers of people, one kind a line; below each kind, why."""
    rows = [(_label("sector", language), found.sector)]
    for kind in _COUNTS:
        rows.append((_label(kind, language), f"{getattr(found, kind):,}"))
        if kind == "linked" and found.generation is not None:
            rows.append((f"  {_label('generation', language)}", found.generation))
        if kind == "corrected":
            rows.extend(_by(REASONS, found.by_reason, language))
        if kind == "closed":
            rows.extend(_by(BECAUSE, found.closed_because, language))
    rows.extend(
        (_label("request", language), f"{one.reference}  {one.since}  {one.people:,}") for one in found.requests
    )
    width = max(cell_len(label) for label, _ in rows)
    return "\n".join(label + " " * (width - cell_len(label) + 2) + value for label, value in rows)


def _by(texts: dict[str, Text], counts: dict[str, int], language: Language) -> Iterator[tuple[str, str]]:
    return ((f"  {_in_words(texts, key, language)}", f"{count:,}  {key}") for key, count in counts.items())


def inquiries(sector: Sector, reason: str | None, language: Language) -> Iterator[str]:
    """Two lines a person: existing number and reason; what can be done. No names: those are in the table."""
    empty = True
    for one, _ in sector.inquiry_list.every(reason):
        empty = False
        yield visible(f"{one.existing}  {_state(one, language)}  {_reasons(one, language)}")
        same = f"{_label('same_as', language)} {one.same_as}  " if one.same_as else ""
        counts = f"{same}{_label('since', language)} {one.since[:10]}  {_label('asked', language)} {one.asked}"
        yield visible(f"    {counts}  {_label('advice', language)}: {_in_words(ADVICE, one.reasons[0], language)}")
    if empty:
        yield _label("nobody", language)


def write_inquiries(sector: Sector, out: Path, reason: str | None, language: Language) -> int:
    """Write the list as a table, with what the sector knows of each person; the number of people.

    Raises:
        OutputExists, FileUnusable: it cannot be written.
    """
    rows = (
        (
            *(one.existing, known.name, known.address, known.birth_date, known.sex),
            *(one.outcome, " ".join(one.reasons), one.state, one.since, one.asked, one.because or "", one.note or ""),
            one.same_as or "",
            _in_words(ADVICE, one.reasons[0], language),
        )
        for one, known in sector.inquiry_list.every(reason)
    )
    return files.write_csv(out, INQUIRIES, rows)


def write_links(sector: Sector, out: Path) -> int:
    """Write existing number, linkage number and generation of everybody who is linked; the number of people.

    Raises:
        SectorError: nobody is. OutputExists, FileUnusable: it cannot be written.
    """
    generation = sector.generation
    return files.write_csv(out, LINKS, ((existing, number, generation) for existing, number in sector.links()))


def _state(one: Inquiry, language: Language) -> str:
    shown = _in_words(STATES, one.state, language)
    return shown if one.because is None else f"{shown}: {_in_words(BECAUSE, one.because, language)}"


def _reasons(one: Inquiry, language: Language) -> str:
    told = ", ".join(f"{_in_words(REASONS, reason, language)} ({reason})" for reason in one.reasons)
    return f"{_in_words(OUTCOMES, one.outcome, language)}: {told}"


def _in_words(texts: dict[str, Text], key: str, language: Language) -> str:
    return texts[key].in_language(language)


def _label(key: str, language: Language) -> str:
    return _in_words(LABELS, key, language)

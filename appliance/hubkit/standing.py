"""Where a sector stands with its linking, in numbers: who is linked, who waits, who needs inquiry."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.hubkit.linkrequests import LinkRequests, Waiting
from appliance.hubkit.sectorfile import SectorFile

_PLACES = """SELECT CASE
        WHEN number IS NOT NULL THEN 'linked'
        WHEN state = 'closed' THEN 'closed'
        WHEN existing IN (SELECT existing FROM asked WHERE NOT stale) THEN 'waiting'
        ELSE ifnull(state, 'new') END AS place, count(*)
    FROM person LEFT JOIN link USING (existing) LEFT JOIN inquiry USING (existing) GROUP BY place"""
_REASONS = """SELECT substr(reasons, 1, instr(reasons || ' ', ' ') - 1) AS reason, count(*)
    FROM inquiry WHERE state <> 'closed' GROUP BY reason ORDER BY 2 DESC, reason"""
_BECAUSE = "SELECT because, count(*) FROM inquiry WHERE state = 'closed' GROUP BY because ORDER BY 2 DESC, because"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Numbers of people; each is one of ``linked``, ``new``, ``waiting``, ``open``, ``corrected`` and ``closed``.

    ``new``: never asked about. ``waiting``: in a request without an answer, whether asked about before or not.
    ``open``, ``corrected``, ``closed``: inquiries, those waiting left out. ``by_reason``: every inquiry that is not
    closed, by the reason that weighs most. ``closed_because``: closed ones. ``requests``: those that wait.
    """

    sector: str
    generation: str | None
    people: int
    linked: int
    new: int
    waiting: int
    open: int
    corrected: int
    closed: int
    by_reason: dict[str, int]
    closed_because: dict[str, int]
    requests: tuple[Waiting, ...]


def standing(file: SectorFile) -> Standing:
    """Count."""
    places = dict(file.rows(_PLACES))
    generation = file.one("SELECT name FROM generation")
    return Standing(
        sector=file.letter,
        generation=None if generation is None else generation[0],
        people=sum(places.values()),
        linked=places.get("linked", 0),
        new=places.get("new", 0),
        waiting=places.get("waiting", 0),
        open=places.get("open", 0),
        corrected=places.get("corrected", 0),
        closed=places.get("closed", 0),
        by_reason=dict(file.rows(_REASONS)),
        closed_because=dict(file.rows(_BECAUSE)),
        requests=tuple(LinkRequests(file).waiting()),
    )

"""The roster that a change puts in place: a whole new one from a file, or the present one with some edits.

Rules of rosters are not decided here: `appliance.ledger.roster.validate` refuses the plan of a roster that breaks one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from appliance.ledger.roster import Person, Roster, Threshold, ThresholdClass
from keyceremony.errors import DraftRefused, SetupRefused
from keyceremony.people import cards
from keyceremony.workspace import read

_THRESHOLD = re.compile(r"(?P<name>[a-z]+)=(?P<officers>[0-9]{1,2})\+(?P<oversight>[0-9]{1,2})", re.ASCII)
_CLASSES: tuple[ThresholdClass, ...] = get_args(ThresholdClass)


class RosterFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole new roster. ``participants``: paths of cards, from the file's own folder; thresholds left out stay."""

    participants: tuple[str, ...]
    thresholds: dict[ThresholdClass, Threshold] = {}


@dataclass(frozen=True)
class Edits:
    """Changes of the present roster, made in this order. Cards are paths; thresholds ``CLASS=OFFICERS+OVERSIGHT``."""

    remove: Sequence[str] = ()
    replace: Sequence[Path] = ()
    add: Sequence[Path] = ()
    thresholds: Sequence[str] = ()

    @property
    def any(self) -> bool:
        """Whether there is any at all."""
        return bool(self.remove or self.replace or self.add or self.thresholds)


def from_file(path: Path, present: Roster) -> Roster:
    """The whole roster that a file names.

    Raises:
        SetupRefused: not TOML, or a key unknown, missing or of the wrong kind.
        CardRefused: a participant card does not hold.
    """
    try:
        given = msgspec.toml.decode(read(path), type=RosterFile)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SetupRefused(f"{path}: {error}", "keyceremony plan roster --help shows such a file") from None
    people = tuple(cards.load(path.parent / card) for card in given.participants)
    return Roster(people=people, thresholds={**present.thresholds, **given.thresholds})


def edited(present: Roster, edits: Edits) -> Roster:
    """The present roster with the edits; everybody else, and every other threshold, stays.

    Raises:
        DraftRefused: an edit of somebody who is not there, or there already, or a threshold that is none.
        CardRefused: a card does not hold.
    """
    people = {person.id: person for person in present.people}
    for person_id in edits.remove:
        _require_known(people, f"--remove {person_id}", person_id)
        del people[person_id]
    for person in _cards(edits.replace):
        _require_known(people, f"--replace {person.id}", person.id)
        people[person.id] = person
    for person in _cards(edits.add):
        if person.id in people:
            raise DraftRefused(
                f"--add {person.id}: is in the roster already", "--replace puts a new certificate in place of the old"
            )
        people[person.id] = person
    thresholds = {**present.thresholds, **dict(map(_threshold, edits.thresholds))}
    return Roster(people=tuple(people.values()), thresholds=thresholds)


def _cards(paths: Iterable[Path]) -> list[Person]:
    return [cards.load(path) for path in paths]


def _require_known(people: dict[str, Person], told: str, person_id: str) -> None:
    if person_id not in people:
        raise DraftRefused(f"{told}: is not in the roster", f"people: {', '.join(people)}")


def _threshold(text: str) -> tuple[ThresholdClass, Threshold]:
    match = _THRESHOLD.fullmatch(text)
    for name in _CLASSES:
        if match is not None and match["name"] == name:
            return name, Threshold(officers=int(match["officers"]), oversight=int(match["oversight"]))
    raise DraftRefused(
        f"--threshold {text}: needs CLASS=OFFICERS+OVERSIGHT, keys=2+1 say", f"classes: {', '.join(_CLASSES)}"
    )

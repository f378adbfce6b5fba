"""People and thresholds in words: a whole roster, or what a change does to the present one, person by person."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from appliance.ledger.roster import Person, Roster, Threshold, decode_certificate
from keyceremony import screen
from keyceremony.people.cards import fingerprint_words
from keyceremony.words import groups


def whole(out: Console, roster: Roster) -> None:
    """Print everybody with their certificate's words, and every threshold."""
    rows = [[person.id, person.name, person.role, _words(person)] for person in roster.people]
    heading = "People who decide; compare the words with those each noted at enrolment"
    out.print(screen.table(heading, ["id", "name", "role", "certificate in words"], rows))
    thresholds = [[name, str(t.officers), str(t.oversight)] for name, t in sorted(roster.thresholds.items())]
    out.print(screen.table("Approvals needed", ["for", "officers", "oversight"], thresholds))


def change(out: Console, before: Roster, after: Roster) -> None:
    """Print who comes, goes or is changed, with the words of every new certificate, and each threshold old and new."""
    rows = list(_people(before, after))
    if rows:
        heading = "People: what changes; compare the words with those each noted at enrolment"
        out.print(screen.table(heading, ["id", "change", "name", "role", "new certificate in words"], rows))
    stay = [person.id for person in before.people if person in after.people]
    screen.line(out, f"   {'nobody else changes' if rows else 'no person changes'}; as before: {', '.join(stay)}")
    thresholds = [row for name in sorted(after.thresholds) if (row := _threshold(name, before, after))]
    if thresholds:
        heading = "Approvals needed: what changes"
        out.print(screen.table(heading, ["for", "before", "after"], thresholds))
    else:
        screen.line(out, "   no threshold changes")


def _people(before: Roster, after: Roster) -> Iterator[list[str]]:
    old, new = ({person.id: person for person in roster.people} for roster in (before, after))
    for person in before.people:
        if person.id not in new:
            yield [person.id, "REMOVED", person.name, person.role, "–"]
        elif new[person.id] != person:
            yield _changed(person, new[person.id])
    for person in after.people:
        if person.id not in old:
            yield [person.id, "ADDED", person.name, person.role, _words(person)]


def _changed(old: Person, new: Person) -> list[str]:
    renewed = old.certificate != new.certificate
    what = [
        *(["ROLE CHANGED"] if old.role != new.role else []),
        *(["NAME CHANGED"] if old.name != new.name else []),
        *([f"CERTIFICATE RENEWED, {_same_key(old, new)}"] if renewed else []),
    ]
    words = _words(new) if renewed else "as before"
    return [old.id, "\n".join(what), _arrow(old.name, new.name), _arrow(old.role, new.role), words]


def _same_key(old: Person, new: Person) -> str:
    keys = {decode_certificate(person.id, person.certificate).key_identity for person in (old, new)}
    return "the same key" if len(keys) == 1 else "another key"


def _arrow(old: str, new: str) -> str:
    return old if old == new else f"{old} → {new}"


def _threshold(name: str, before: Roster, after: Roster) -> list[str]:
    old, new = ({str(key): value for key, value in roster.thresholds.items()}.get(name) for roster in (before, after))
    return [] if old == new else [name, in_words(old), in_words(new)]


def in_words(threshold: Threshold | None) -> str:
    """``3 officers, 1 oversight``."""
    if threshold is None:
        return "–"
    return f"{threshold.officers} officer{'' if threshold.officers == 1 else 's'}, {threshold.oversight} oversight"


def _words(person: Person) -> str:
    return "\n".join(groups(fingerprint_words(person)))

"""Two states held against each other: what a rehearsal came to, and what it should have come to. Pure.

Compared is everything that people agree on. Keys, identifiers, certificates and times differ of necessity, and are not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from appliance.ledger import canonical
from appliance.ledger.actions import DomainSpec, Found
from appliance.ledger.book import Book
from appliance.ledger.keys import KeyRecord
from appliance.ledger.policy import Policy
from appliance.ledger.roster import Roster
from appliance.numbers.domains import Generation

NOTHING = "not there"
Names = Mapping[str, str]


@dataclass(frozen=True)
class Sight:
    """What is looked at of a state. ``token`` and the keys of ``backups`` and ``clones`` are serial numbers.

    Of a backup token: which entry enrolled it; of a clone: that, and the log that it keeps.
    """

    token: str
    roster: Roster
    policy: Policy
    domains: tuple[DomainSpec, ...]
    keys: Mapping[Generation, KeyRecord] = field(default_factory=dict)
    current: Mapping[str, Generation] = field(default_factory=dict)
    backups: Mapping[str, int] = field(default_factory=dict)
    clones: Mapping[str, tuple[int, str | None]] = field(default_factory=dict)
    drills: Collection[str] = ()


@dataclass(frozen=True)
class Difference:
    """One thing that is otherwise, in words."""

    subject: str
    original: str
    rehearsal: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.original}; in the rehearsal: {self.rehearsal}"


def of_book(book: Book) -> Sight:
    """What is looked at of a state, reached or expected."""
    return Sight(
        token=book.token.serial,
        roster=book.roster,
        policy=book.policy,
        domains=book.domains,
        keys=book.keys.keys,
        current=book.keys.current(),
        backups={serial: backup.enrolled for serial, backup in book.backups.items()},
        clones={serial: (clone.enrolled, clone.log_name) for serial, clone in book.clones.items()},
        drills=book.drills,
    )


def of_found(found: Found) -> Sight:
    """The state that a genesis is to lead to."""
    return Sight(token=found.token_serial, roster=found.roster, policy=found.policy, domains=found.domains)


def differences(original: Sight, rehearsal: Sight, originals: Names, stand_ins: Names) -> tuple[Difference, ...]:
    """Everything that is not the same.

    ``originals`` and ``stand_ins`` say of which real token a serial number, of the one or the other side, tells.
    """
    there, here = _facts(original, originals), _facts(rehearsal, stand_ins)
    return tuple(
        Difference(subject, there.get(subject, NOTHING), here.get(subject, NOTHING))
        for subject in dict.fromkeys((*there, *here))
        if there.get(subject) != here.get(subject)
    )


def _facts(sight: Sight, names: Names) -> dict[str, str]:
    """Subject by subject, a line of text."""
    facts = {"appliance token": names.get(sight.token, sight.token)}
    facts |= {f"person {person.id}": person.role for person in sight.roster.people}
    facts |= {
        f"threshold {name}": f"{needed.officers} officers and {needed.oversight} oversight"
        for name, needed in sight.roster.thresholds.items()
    }
    facts |= {f"domain {domain.name}": _text(domain) for domain in sight.domains}
    facts |= {f"policy of {role}": _text(rule) for role, rule in sight.policy.roles.items()}
    facts["policy of keys"] = _text(sight.policy.keys)
    facts |= {f"backup token {names.get(s, s)}": f"enrolled by entry {entry}" for s, entry in sight.backups.items()}
    facts |= {
        f"clone {names.get(serial, serial)}": f"enrolled by entry {entry}, log {log or 'none'}"
        for serial, (entry, log) in sight.clones.items()
    }
    facts |= {f"drill from {names.get(serial, serial)}": "done" for serial in sight.drills}
    facts |= {f"current of {domain}": str(generation) for domain, generation in sight.current.items()}
    return facts | {f"key {generation}": _key(key, names) for generation, key in sorted(sight.keys.items())}


def _key(key: KeyRecord, names: Names) -> str:
    copies = ", ".join(sorted(names.get(serial, serial) for serial in key.copies))
    clones = ", ".join(sorted(names.get(serial, serial) for serial in key.clones))
    said = [
        f"{key.state}, made by entry {key.origin}, parent {key.parent}, activation {key.activated}",
        f"copies on {copies or 'no token'}",
        *([f"on the clones {clones}"] if clones else []),
        *(["made to be copied"] if key.backed_up else []),
        *([f"before its suspension {key.before_suspension}"] if key.before_suspension else []),
        *(["suspension ratified"] if key.ratified else []),
    ]
    return "; ".join(said)


def _text(content: object) -> str:
    return canonical.encode(content).decode("utf-8")

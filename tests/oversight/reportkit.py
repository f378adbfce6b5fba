"""A believable log of ninety days, for reports: four roles at their work, a spring of ceremonies, and planted trouble.

Everything that is planted is named in `PLANTED`, so that tests can ask for it. To look at it: `reportlook`.
"""

from __future__ import annotations

import atexit
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import logkit
import msgspec
from logkit import Log, witness_keys
from reportworld import BEGIN, DAYS, book, day_at, order, orders, second_order

from appliance.audit import records
from appliance.audit.records import Record
from appliance.bilingual import Language
from appliance.ledger import chain
from appliance.oversight.report.make import Report, Wanted, make
from appliance.oversight.report.moments import Clock, day_text

HOSTILE = "</svg><script>alert(1)</script>\u202e{{ 7*7 }}\x07\"'&"


class Planted(NamedTuple):
    """Trouble that is in the log: the day (from 0), and the kind of finding it must give."""

    day: int
    kind: str


PLANTED = (
    Planted(31, "weekend"),
    Planted(33, "quiet"),
    Planted(41, "gap"),
    Planted(41, "crash"),
    Planted(41, "repair"),
    Planted(49, "volume_high"),
    Planted(55, "audit_lost"),
    Planted(55, "records_lost"),
    Planted(61, "ledger_refused"),
    Planted(65, "new_caller"),
    Planted(65, "night"),
    Planted(65, "unknown_burst"),
    Planted(65, "refusal_burst"),
    Planted(70, "lookups_high"),
    Planted(76, "clock_back"),
    Planted(82, "order_overuse"),
    Planted(83, "disclosure_bare"),
    Planted(84, "marked_often"),
)

MARKS = (
    *((57, 19.5, "tax-assessment"), (84, 12.0, "address-change"), (84, 17.0, "address-change")),
    *((85, 10.0, "address-change"), (85, 16.0, "address-change"), (86, 11.0, "address-change")),
    *((86, 21.0, "address-change"), (86, 21.1, "address-change")),
)
"""By day, hour and purpose: somebody does not recognise the newest conversion of that purpose; the last, twice."""


class Timed(NamedTuple):
    """A record to be, and when."""

    at: datetime
    record: Record


@dataclass
class Spring:
    """Ninety days of work; ``scale`` multiplies how many requests there are."""

    scale: float = 1.0
    dice: random.Random = field(default_factory=lambda: random.Random(20260401))

    def every(self) -> list[Timed]:
        """All records, in order of time, but for the one planted step of the clock."""
        made = [one for day in range(DAYS) for one in self._day(day)]
        return sorted(made, key=lambda one: one.at)

    def _day(self, day: int) -> Iterator[Timed]:
        weekday = day_at(day, 12).weekday()
        working = weekday < 5 and not 32 <= day <= 35 and day != 28  # Golden Week
        yield from self._hub(day, working)
        yield from self._numbering(day, working)
        yield from self._portal(day)
        if day > 19 and day < 33:
            yield from self._stream(day, 2.0, _caller("rekey", 940), ("sspin.C.1", "sspin.C.2"), "rotation", 40_000)

    def _hub(self, day: int, working: bool) -> Iterator[Timed]:
        pairs = [("B", "E"), ("B", "E"), ("E", "B"), ("B", "A"), ("A", "B"), ("A", "E"), ("B", "C"), ("C", "B")]
        factor = (1.0 if working else 0.07) * (1.0 + 0.15 * self.dice.random()) * self.scale
        for uid, share in ((991, 70), (992, 38)):
            if not working and uid == 992:
                continue
            for _ in range(round(share * factor)):
                source, target = self.dice.choice(pairs)
                purpose = self.dice.choice(["benefit-check"] * 3 + ["tax-assessment", "address-change"])
                count = self.dice.choice([1, 1, 2, 5, 20, 100, 250, 400])
                generations = self._generation(source, day), self._generation(target, day)
                hour = min(max(self.dice.gauss(13.2, 2.6), 8.0), 18.9)
                yield self._convert(day_at(day, hour), _caller("hub", uid), generations, purpose, count)

    def _generation(self, sector: str, day: int) -> str:
        return f"sspin.{sector}.{2 if sector == 'C' and day > 19 else 1}"

    def _numbering(self, day: int, working: bool) -> Iterator[Timed]:
        yield from self._stream(day, 1.0, _caller("register", 980), ("resident", "common.1"), "numbering", 9_000)
        if working:
            target = self._generation("C", day)
            yield from self._stream(day, 9.2, _caller("numbering", 981), ("resident", target), "linking", 24_000)

    def _portal(self, day: int) -> Iterator[Timed]:
        for _ in range(round(self.dice.uniform(12, 24) * self.scale)):
            at = day_at(day, self.dice.uniform(6.2, 21.9))
            yield Timed(at, _look_up(f"session-{self.dice.randrange(10**6):06d}", self.dice.randrange(9)))

    def _stream(
        self, day: int, hour: float, who: dict[str, Any], generations: tuple[str, str], purpose: str, count: int
    ) -> Iterator[Timed]:
        at, frames = day_at(day, hour), count // 8_192 + 1
        for frame in range(frames):
            size = 8_192 if frame < frames - 1 else self.dice.randrange(3_000, 8_000)
            yield self._convert(at + timedelta(seconds=frame), who, generations, purpose, size, stream=day + 1)
        total = {"source": generations[0], "target": generations[1], "stream": day + 1, "count": count}
        closed = records.StreamClosed(**who, **total, outcome="client_gone" if day == 52 else "complete")
        yield Timed(at + timedelta(seconds=frames + 1), closed)

    def _convert(
        self, at: datetime, who: dict[str, Any], generations: tuple[str, str], purpose: str, count: int, **changes: Any
    ) -> Timed:
        unknown = sum(self.dice.random() < 0.004 for _ in range(min(count, 60)))
        malformed = int(self.dice.random() < 0.02)
        return Timed(
            at, conversion(who, generations, purpose, count, unknown, min(malformed, count - unknown), **changes)
        )


def _caller(role: str, uid: int) -> dict[str, Any]:
    return {"role": role, "uid": uid, "gid": uid, "pid": 4_000 + uid}


def conversion(
    who: dict[str, Any],
    generations: tuple[str, str] = ("sspin.B.1", "sspin.E.1"),
    purpose: str = "benefit-check",
    count: int = 1,
    unknown: int = 0,
    malformed: int = 0,
    **changes: Any,
) -> records.Conversion:
    """A conversion record."""
    fields: dict[str, Any] = {
        **who,
        "source": generations[0],
        "target": generations[1],
        "purpose": purpose,
        "reference": f"case-{count}",
        "count": count,
        "converted": count - unknown - malformed,
        "malformed": malformed,
        "unknown": unknown,
    }
    if count > unknown + malformed:
        fields |= {"tag_key": "tag.1", "tags": "ab" * 32}
    return records.Conversion(**{**fields, **changes})


def _look_up(reference: str, found: int) -> records.HistoryRead:
    return records.HistoryRead(**_caller("portal", 971), source="common", reference=reference, found=found)


def _marks() -> Iterator[Timed]:
    """What people do not recognise; `log` fills in which record it is."""
    for number, (day, hour, purpose) in enumerate(MARKS):
        said = {"source": "common.1", "marked": 0, "reference": f"{purpose} #{number}"}
        yield Timed(day_at(day, hour), records.NotRecognised(**_caller("portal", 971), **said))


def _refusal(who: dict[str, Any], code: str, source: str | None, target: str | None, **changes: Any) -> records.Refusal:
    return records.Refusal(**who, code=code, source=source, target=target, **{"purpose": "benefit-check", **changes})


def planted() -> list[Timed]:
    """The trouble, and the ordinary refusals, orders and engines between."""
    hub, stranger, court = _caller("hub", 991), _caller("hub", 1733), _caller("court", 965)
    dice, made = random.Random(5), []

    def at(day: int, hour: float, record: Record) -> None:
        made.append(Timed(day_at(day, hour), record))

    for day in range(0, DAYS, 3):
        at(day, 10 + dice.random() * 6, _refusal(hub, "rate_limited", "sspin.B.1", "sspin.E.1"))
    for day in (4, 17, 38, 66, 81):
        at(day, 11.3, _refusal(_caller("hub", 992), "purpose_denied", "sspin.B.1", "sspin.E.1", purpose=None))
        at(day, 15.1, _refusal(hub, "malformed_request", None, None, purpose=None))
    for number in range(6):  # the first case, within its order
        digest = order("令和8年(フ)第17号", 60, 20, 50)[0]
        fields = {"order": digest, "reference": "令和8年(フ)第17号"}
        at(22 + number * 4, 10.5, conversion(court, ("sspin.B.1", "resident"), "court-order", 8, 0, **fields))
    digest = second_order()[0]
    for day, count in ((77, 20), (82, 17)):
        fields = {"order": digest, "reference": "行ウ31 <img src=x>"}
        at(day, 11.0, conversion(court, ("sspin.B.1", "resident"), "court-order", count, 0, **fields))
    at(82, 11.2, _refusal(court, "order_exhausted", "sspin.B.1", "resident", purpose="court-order", order=digest))
    at(83, 13.0, conversion(court, ("common.1", "spin.1"), "court-order", 3, 0, reference=HOSTILE[:24]))
    for number in range(40):  # a bulk run, once
        at(49, 14 + number / 60, conversion(hub, ("sspin.B.1", "sspin.A.1"), "tax-assessment", 1_000, 2))
    for number in range(24):  # a Saturday, by somebody who works on weekdays
        generations = ("resident", "sspin.C.2")
        at(31, 10 + number / 10, conversion(_caller("numbering", 981), generations, "linking", 5, reference="急ぎ"))
    for number in range(34):  # a stranger at night, guessing
        at(65, 2.2 + number / 40, conversion(stranger, count=100, unknown=38 + number % 9, reference="test"))
    for number in range(45):
        at(
            65,
            3.05 + number / 600,
            _refusal(stranger, "pair_denied", "sspin.B.1", "sspin.F.1", purpose="benefit-check"),
        )
    for number in range(260):  # somebody looks up many people
        at(70, 12 + number / 90, _look_up(f"bulk-{number}", 3))
    for minute in (1, 3):  # before the clock is put back, and after
        at(76, 12 - 1 / 60 + minute / 60, _refusal(hub, "rate_limited", "sspin.B.1", "sspin.E.1"))
    return [*made, *_marks(), *_service()]


def _service() -> list[Timed]:
    """What happens to the appliance."""
    made = []

    def at(day: int, hour: float, record: Record) -> None:
        made.append(Timed(day_at(day, hour), record))

    def start(day: int, hour: float) -> None:
        at(
            day,
            hour,
            records.Start(version="0.1.0", pid=77, roles=("court", "hub", "numbering", "oversight", "portal")),
        )

    start(0, 0.001)
    for day, hour in ((12, 21.5), (54, 21.0)):  # maintenance
        at(day, hour, records.Stop(reason="SIGTERM"))
        start(day, hour + 0.4)
    start(41, 13.5)  # after a crash at 10
    at(41, 13.5001, records.Repair(removed=311))
    for day, hour in ((24, 11.0), (58, 16.2), (58, 16.9), (79, 9.4)):
        at(day, hour, records.EngineLost(pid=90, reason="killed by signal 11"))
        at(day, hour + 0.001, records.EngineRegained(pid=91))
    at(55, 15.0, records.AuditLost(reason="No space left on device"))
    at(55, 15.02, records.AuditRegained(lost=7))
    at(61, 14.0, records.LedgerRefused(reason="000009.authorization.cms: the quorum is not reached"))
    return made


def records_of(scale: float = 1.0) -> list[Timed]:
    """Everything, sorted; nothing is done while the appliance is down after its crash."""
    whole = sorted([*Spring(scale).every(), *planted(), *_ceremonies()], key=lambda one: one.at)
    down = day_at(41, 10.0), day_at(41, 13.5)
    return [one for one in whole if not down[0] <= one.at < down[1]]


def _ceremonies() -> Iterator[Timed]:
    """The daemon tells of each entry, and loads it."""
    made = book()
    for entry in chain.verify_entries(made.files, made.anchor):
        finished = datetime.fromisoformat(entry.outcome.finished)
        at = max(finished, day_at(0, 0.002)) + timedelta(seconds=60 + entry.sequence / 100)
        yield Timed(at, logkit.ceremony(entry))
        if entry.sequence >= 3:
            yield Timed(at, records.LedgerLoaded(sequence=entry.sequence, head=entry.head))


def log(scale: float = 1.0) -> Log:
    """The log itself. On day 76 its clock is put back by four minutes."""
    made = Log(book=book(), generation="log.2")
    newest: dict[str, int] = {}
    for one in records_of(scale):
        at, record = one.at, one.record
        if isinstance(record, records.NotRecognised):
            record = msgspec.structs.replace(record, marked=newest[record.reference.partition(" ")[0]])
        if day_at(76, 12.0) <= at < day_at(76, 12.0) + timedelta(minutes=4):
            at -= timedelta(minutes=4)
        number = made.add(record, time=f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond:06d}Z")
        if isinstance(record, records.Conversion):
            newest[record.purpose] = number
    return made


NOW = day_at(DAYS, 9.5)


def write(folder: Path, scale: float = 1.0) -> str:
    """An exported copy with orders beside it; its trust anchor."""
    made = log(scale)
    made.write(folder)
    checkpoint, time = made.checkpoint(), int(day_at(DAYS - 1, 23.4).timestamp())
    lines = [*witness_keys("watch.example/a").cosign(checkpoint, time)]
    logkit.put(folder / "checkpoint", made.note(lines=lines))
    earlier = made.checkpoint(made.size - 300)
    late = witness_keys("watch.example/b").cosign(earlier, int(day_at(DAYS - 1, 13).timestamp()))
    logkit.put(folder / "cosigned", logkit.sign(earlier, "log.2", late[:1]))
    for name, data in orders().items():
        logkit.put(folder.parent / name, data)
    return made.book.anchor


@dataclass(frozen=True)
class Sample:
    """A copy in a folder, and the reports about it."""

    folder: Path
    anchor: str

    @cache  # noqa: B019 -- there is one
    def report(self, language: Language = "en") -> Report:
        """The report about it."""
        held = tuple(self.folder / name for name in orders())
        return make(self.folder / "copy", self.anchor, Wanted(language, orders=held), now=NOW)


@cache
def sample() -> Sample:
    """The copy of this process; it goes when the process ends."""
    folder = TemporaryDirectory(prefix="kagimori-report-")
    atexit.register(folder.cleanup)
    return Sample(Path(folder.name), write(Path(folder.name) / "copy"))


def planted_days() -> dict[str, str]:
    """By kind of finding, the day on which it must be found."""
    first = Clock.named("Asia/Tokyo").at(f"{BEGIN:%Y-%m-%dT%H:%M:%SZ}").day
    return {one.kind: day_text(first + one.day) for one in PLANTED}

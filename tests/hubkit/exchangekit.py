"""An appliance that is a table, holders of every kind, and a clock that is set: for the hub's rules alone."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from appliance.hubkit.exchange import Asked, Question, Reply
from appliance.hubkit.hub import Hub
from appliance.hubkit.hubjournal import HubJournal
from appliance.hubkit.legalbasis import LegalBasis, parse
from appliance.hubkit.wire import Conversion, Converted, Failed, Result

NOW = datetime(2026, 7, 1, 3, 0, tzinfo=UTC)  # noon in Japan

BASIS: dict[str, Any] = {
    "id": "benefit-income",
    "asker": "B",
    "holder": "E",
    "item": "income",
    "purpose": "benefit-check",
    "law": "番号法第19条第8号",
    "valid_from": "2026-04-01",
    "valid_until": "2027-03-31",
    "answer_within": "10 d",
    "most_people": 1000,
}


def toml(*changes: Mapping[str, Any]) -> str:
    """A table with one basis for each of the changes; a value None leaves the field out."""
    lines = ['time_zone = "Asia/Tokyo"']
    for change in changes or ({},):
        fields = {name: value for name, value in {**BASIS, **change}.items() if value is not None}
        lines += ["", "[[basis]]", *(f"{name} = {_value(name, value)}" for name, value in fields.items())]
    return "\n".join(lines) + "\n"


def _value(name: str, value: object) -> str:
    return str(value) if name.startswith("valid_") or isinstance(value, int) else f'"{value}"'


def table(*changes: Mapping[str, Any]) -> LegalBasis:
    return parse(toml(*changes).encode())


class Clock:
    """Stands still until it is set."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **time: float) -> None:
        self.now += timedelta(**time)


class Table:
    """Stands where the client does: ``B-x`` is ``E-x``; others are unknown. A generation does not change a number."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...], dict[str, str]]] = []

    def convert(self, source: str, target: str, numbers: Sequence[str], **why: str) -> Conversion:
        self.asked.append((source, target, tuple(numbers), why))
        frm, to = source.split(".")[1], target.split(".")[1]
        results: list[Result] = [
            Converted(f"{to}-{n[2:]}") if n.startswith(f"{frm}-") else Failed("unknown_number") for n in numbers
        ]
        return Conversion(source, target, 1, tuple(results))


class Records:
    """The files of sector E: knows everybody but those in ``strangers``; has nothing about ``E-empty``."""

    def __init__(self, *strangers: str, generation: str = "sspin.E.2") -> None:
        self.strangers = set(strangers)
        self.generation = generation
        self.asked: list[tuple[str, tuple[str, ...]]] = []

    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        self.asked.append((item, tuple(numbers)))
        return [self._reply(item, number) for number in numbers]

    def _reply(self, item: str, number: str) -> Reply:
        if number in self.strangers:
            return Reply(number, None, "unknown_to_holder")
        if number == "E-empty":
            return Reply(number, None, "no_such_item")
        return Reply(number, f"{item} of {number}", None)


class Holder:
    """A sector without a book, over ``records``: ``E-nobody`` is a stranger until somebody says otherwise."""

    def __init__(self, *strangers: str) -> None:
        self.records = Records(*strangers or ("E-nobody",))
        self.is_ready = True
        self.heard: list[Asked] = []

    @property
    def generation(self) -> str:
        return self.records.generation

    def ready(self, asker: str, reference: str) -> bool:
        return self.is_ready

    def answer(self, asked: Asked) -> Any:
        self.heard.append(asked)
        return self.records.answer(asked.item, asked.numbers)


def hub(journal: HubJournal, client: Any = None, holder: Any = None, **options: Any) -> Hub:
    """A hub at `NOW`, with the table of `BASIS`, which connects sector E."""
    options = {"clock": lambda: NOW, **options}
    law = options.pop("law", None) or table()
    return Hub(client or Table(), law, {"E": holder or Holder()}, journal, **options)


def question(*numbers: str, **changes: Any) -> Question:
    plain = {
        "asker": "B",
        "holder": "E",
        "item": "income",
        "purpose": "benefit-check",
        "reference": "case-1",
        "generation": "sspin.B.1",
    }
    return Question(**{**plain, **changes}, numbers=numbers)


def lines(journal: Path | HubJournal) -> list[dict[str, Any]]:
    """What the journal says, as anybody would read it."""
    path = journal if isinstance(journal, Path) else journal.path
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def moves(journal: HubJournal) -> list[str]:
    return [line["move"] for line in lines(journal)]


def last(journal: HubJournal) -> dict[str, Any]:
    return lines(journal)[-1]

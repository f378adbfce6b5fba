"""The hub's rules and checks. The appliance is a table here; test_hubkit_flows.py has the real one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from appliance.hubkit.errors import DaemonUnreachable
from appliance.hubkit.exchange import Answer, ExchangeError, HolderConfused, Hub, NotApproved, Question, Reply, Rule
from appliance.hubkit.wire import Conversion, Converted, Failed, Result

RULES = (Rule("B", "E", "income", "benefit-check"),)


class Table:
    """Stands where the client does: ``B-x`` is ``E-x``; others are unknown."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, tuple[str, ...], dict[str, str]]] = []

    def convert(self, source: str, target: str, numbers: Sequence[str], **why: str) -> Conversion:
        self.asked.append((source, target, tuple(numbers), why))
        frm, to = source.split(".")[1], target.split(".")[1]
        results: list[Result] = [
            Converted(f"{to}-{n[2:]}") if n.startswith(f"{frm}-") else Failed("unknown_number") for n in numbers
        ]
        return Conversion(source, target, 1, tuple(results))


class Holder:
    """Sector E: knows everybody but ``nobody``; has nothing about ``empty``."""

    generation = "sspin.E.2"

    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        return [self._reply(item, number) for number in numbers]

    def _reply(self, item: str, number: str) -> Reply:
        if number == "E-nobody":
            return Reply(number, None, "unknown_to_holder")
        return (
            Reply(number, None, "no_such_item") if number == "E-empty" else Reply(number, f"{item} of {number}", None)
        )


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def hub(journal: Path, client: Any = None, holder: Any = None) -> Hub:
    return Hub(client or Table(), RULES, {"E": holder or Holder()}, journal)


def question(*numbers: str, **changes: str) -> Question:
    plain = {
        "asker": "B",
        "holder": "E",
        "item": "income",
        "purpose": "benefit-check",
        "reference": "case-1",
        "generation": "sspin.B.1",
    }
    return Question(**{**plain, **changes}, numbers=numbers)


def test_answers_in_order_under_the_askers_own_numbers(journal: Path) -> None:
    table = Table()
    answers = hub(journal, table).exchange(question("B-1", "A-1", "B-nobody", "B-empty", "B-2"))
    assert answers == [
        Answer("B-1", "income of E-1", None),
        Answer("A-1", None, "unknown_number"),
        Answer("B-nobody", None, "unknown_to_holder"),
        Answer("B-empty", None, "no_such_item"),
        Answer("B-2", "income of E-2", None),
    ]
    why = {"purpose": "benefit-check", "reference": "case-1"}
    assert table.asked == [
        ("sspin.B.1", "sspin.E.2", ("B-1", "A-1", "B-nobody", "B-empty", "B-2"), why),
        ("sspin.E.2", "sspin.B.1", ("E-1", "E-2"), why),
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"asker": "C", "generation": "sspin.C.1"}, "sector C may not ask sector E for 'income'"),
        ({"holder": "F"}, "sector B may not ask sector F for 'income'"),
        ({"item": "health"}, r"sector B may not ask sector E for 'health' \(benefit-check\)"),
        ({"purpose": "curiosity"}, r"sector B may not ask sector E for 'income' \(curiosity\)"),
        ({"generation": "sspin.A.1"}, r"sector B must ask with numbers of sspin\.B"),
    ],
)
def test_what_no_rule_names_is_refused_before_anything_is_converted(
    journal: Path, changes: dict[str, str], message: str
) -> None:
    table = Table()
    with pytest.raises(NotApproved, match=message):
        hub(journal, table).exchange(question("B-1", **changes))
    assert table.asked == []
    assert json.loads(journal.read_text())["counts"] == {"NotApproved": 1}


def test_a_rule_for_a_sector_that_is_not_there(journal: Path) -> None:
    with pytest.raises(NotApproved, match="sector B may not ask sector E"):
        Hub(Table(), RULES, {}, journal).exchange(question("B-1"))  # type: ignore[arg-type]


class Swapping(Holder):
    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        return super().answer(item, numbers)[::-1]


class Forgetting(Holder):
    def answer(self, item: str, numbers: Sequence[str]) -> list[Reply]:
        return super().answer(item, numbers)[:-1]


@pytest.mark.parametrize("holder", [Swapping(), Forgetting()])
def test_a_holder_that_mixes_up_people_is_not_believed(journal: Path, holder: Holder) -> None:
    with pytest.raises(HolderConfused, match="sector E did not answer about the people asked about"):
        hub(journal, holder=holder).exchange(question("B-1", "B-2"))


def test_a_number_that_does_not_lead_back_is_not_believed(journal: Path) -> None:
    class Drifting(Table):
        def convert(self, source: str, target: str, numbers: Sequence[str], **why: str) -> Conversion:
            said = super().convert(source, target, numbers, **why)
            return said if target.startswith("sspin.E") else Conversion(source, target, 1, (Converted("B-other"),))

    with pytest.raises(HolderConfused, match="a number that sector E answered with is not the one asked about"):
        hub(journal, Drifting()).exchange(question("B-1"))


def test_the_journal_says_what_but_never_who(journal: Path) -> None:
    hub(journal).exchange(question("B-1", "B-nobody", "A-1"))
    text = journal.read_text()
    entry = json.loads(text)
    entry.pop("time")
    assert entry == {
        "asker": "B",
        "holder": "E",
        "item": "income",
        "purpose": "benefit-check",
        "reference": "case-1",
        "counts": {"answered": 1, "unknown_to_holder": 1, "unknown_number": 1},
    }
    assert not any(number in text for number in ("B-1", "E-1", "nobody", "A-1", "income of"))
    assert journal.stat().st_mode & 0o777 == 0o600


def test_failures_are_journalled_and_raised(journal: Path) -> None:
    class Gone(Table):
        def convert(self, source: str, target: str, numbers: Sequence[str], **why: str) -> Conversion:
            raise DaemonUnreachable("d.sock: Connection refused")

    with pytest.raises(DaemonUnreachable, match="Connection refused"):
        hub(journal, Gone()).exchange(question("B-1", "B-2"))
    assert json.loads(journal.read_text())["counts"] == {"DaemonUnreachable": 2}


def test_no_answer_without_a_journal(journal: Path) -> None:
    one = hub(journal)
    journal.unlink()
    journal.mkdir()
    with pytest.raises(ExchangeError, match=r"journal\.jsonl cannot be written \(Is a directory\)"):
        one.exchange(question("B-1"))


def test_the_hub_keeps_no_reference_to_what_it_carried(journal: Path) -> None:
    import gc

    one = hub(journal)
    answers = one.exchange(question("B-secret"))
    assert answers[0].data == "income of E-secret"
    del answers
    seen, todo = set(), [one._rules, one._holders, one._journal, vars(one)]
    while todo:
        thing = todo.pop()
        if id(thing) in seen or callable(thing):
            continue
        seen.add(id(thing))
        assert not (isinstance(thing, str) and "secret" in thing)
        if isinstance(thing, dict | list | tuple | frozenset | Holder | Rule):
            todo.extend(gc.get_referents(thing))

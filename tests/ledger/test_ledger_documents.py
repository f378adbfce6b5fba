"""What the papers say of the ledger is what the code does: names of refusals, thresholds, transitions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import msgspec

from appliance.ledger import actions, errors, states
from appliance.ledger.actions import ALONE, Action
from appliance.ledger.errors import LedgerError
from appliance.ledger.outcome import ActionResult, Outcome
from appliance.ledger.roster import DEFAULT_THRESHOLDS
from appliance.ledger.states import TRANSITIONS, KeyState

PROJECT = Path(__file__).resolve().parents[2]
PAPER = (PROJECT / "docs" / "ledger.md").read_text(encoding="utf-8")


def test_every_refusal_is_in_the_list_and_every_name_there_is_a_refusal() -> None:
    defined = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, LedgerError)}
    rows = re.findall(r"^\| (`[A-Z]\w+`(?:, `\w+`)*) \|", PAPER, re.MULTILINE)
    listed = {name for row in rows for name in re.findall(r"\w+", row)}
    assert listed == defined - {"LedgerError"}


def test_every_refusal_is_asserted_by_a_test() -> None:
    tests = "".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    for name in set(re.findall(r"^class (\w+)\(", Path(errors.__file__).read_text(), re.MULTILINE)):
        assert re.search(rf"\({name},|, {name}[,)]|\(\({name}|raises\({name}", tests) or name == "LedgerError", name


def test_the_default_thresholds_in_the_list() -> None:
    rows = re.findall(r"^\| `(\w+)` \| [^|]* \| (\d) \| (\d) \|", PAPER, re.MULTILINE)
    listed = {name: (int(officers), int(oversight)) for name, officers, oversight in rows}
    assert listed == {name: (one.officers, one.oversight) for name, one in DEFAULT_THRESHOLDS.items()}


def names(kinds: object) -> set[str]:
    """The tags of a union of structures."""
    return {str(one.__struct_config__.tag) for one in get_args(kinds)}


def test_the_actions_of_each_class() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|`]*) \| \d \| \d \|", PAPER, re.MULTILINE)
    listed = {name: set(words.split(", ")) for name, words in rows}
    of_class: dict[str, set[str]] = {name: set() for name in DEFAULT_THRESHOLDS}
    for kind in get_args(Action):
        class_ = actions._CLASSES.get(kind, "keys")
        of_class["roster" if class_ == "genesis" else class_].add(str(kind.__struct_config__.tag))
    assert listed == of_class


def table(column: str, after: str = "# ") -> list[list[str]]:
    """The rows of the first table with that first column after a heading, as cells."""
    rest = PAPER.partition(after)[2]
    rows = re.search(rf"^\| {re.escape(column)} \|.*\n\|[-|]+\|\n((?:\|.*\n)+)", rest, re.MULTILINE)
    assert rows is not None
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1].splitlines()]


def test_every_action_is_explained_and_says_whether_it_stands_alone() -> None:
    listed, alone = set(), set()
    for cells in table("action"):
        here = set(re.findall(r"`([\w-]+)`", cells[0]))
        listed |= here
        alone |= here if "Alone" in cells[2] else set()
    assert listed == names(Action)
    assert alone == {str(one.__struct_config__.tag) for one in ALONE}


def test_every_result_is_explained_with_the_actions_it_belongs_to() -> None:
    of = {cells[0].strip("`"): set(re.findall(r"`([\w-]+)`", cells[1])) for cells in table("result")}
    assert set(of) == names(ActionResult)
    assert of.pop("generate-pair") == {"generate"}, "which has two kinds of result: of a log key, of any other"
    assert set().union(*of.values()) == names(Action)
    assert sum(map(len, of.values())) == len(names(Action))


def test_every_state_is_explained() -> None:
    assert [cells[0].strip("`") for cells in table("state")] == list(KeyState)


def test_every_field_of_an_outcome_is_explained() -> None:
    listed = set(re.findall(r"`(\w+)`", " ".join(cells[0] for cells in table("field", after="### Outcome"))))
    assert listed == {one.encode_name for one in msgspec.structs.fields(Outcome)}


def test_the_table_in_the_docstring_is_the_table() -> None:
    """Six columns of words for people, made from nothing but the table itself."""
    assert states.__doc__ is not None
    rows = re.findall(r"^    (\w+) +(\S.*?)  +(\S.*?)  ", states.__doc__, re.MULTILINE)
    told = {name: (frozenset(re.findall(r"[a-z-]+", sources.split(" (")[0])), to) for name, sources, to in rows[1:]}
    made = {
        name: (frozenset(source.value if source else "-" for source in row.sources), row.target or "(as before)")
        for name, row in TRANSITIONS.items()
    }
    assert told == made

"""What the papers say of the ledger is what the code does: names of refusals, thresholds, transitions."""

from __future__ import annotations

import re
from pathlib import Path

from appliance.ledger import errors, states
from appliance.ledger.errors import LedgerError
from appliance.ledger.roster import DEFAULT_THRESHOLDS
from appliance.ledger.states import TRANSITIONS

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

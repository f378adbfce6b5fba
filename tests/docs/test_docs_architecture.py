"""The page about the rooms names every file there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
ROW = re.compile(r"^\| `(?P<room>(?:appliance|keyceremony)[\w/]*/)` \| (?P<files>[^|]*) \|", re.MULTILINE)


def _named() -> dict[str, set[str]]:
    page = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
    return {match["room"]: set(re.findall(r"`(\w+)`", match["files"])) for match in ROW.finditer(page)}


def test_every_file_has_its_place_on_the_page() -> None:
    """Room by room, the names on the page are those of the modules in the folder."""
    named = _named()
    there: dict[str, set[str]] = {room: set() for room in named}
    for path in (path for top in ("appliance", "keyceremony") for path in (PROJECT / top).rglob("*.py")):
        room = f"{path.parent.relative_to(PROJECT)}/"
        if not path.stem.startswith("__") and room != "appliance/":  # its few files have a row each
            there.setdefault(room, set()).add(path.stem)
    assert len(named) == 40
    assert named == there


def test_every_file_says_what_it_is_for() -> None:
    """A first paragraph in every module of the product."""
    modules = [*(PROJECT / "appliance").rglob("*.py"), *(PROJECT / "keyceremony").rglob("*.py")]
    assert [str(path) for path in modules if not path.read_text(encoding="utf-8").startswith(('"""', 'r"""'))] == []

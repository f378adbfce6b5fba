"""The oversight guide names tests and commands that exist, and its table is complete about what is not seen."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click

from appliance.oversight.cli import oversight
from tests.commandkit import command_of, commands_of

PROJECT = Path(__file__).resolve().parents[2]
GUIDE = (PROJECT / "docs" / "oversight-guide.md").read_text(encoding="utf-8")
TESTS = "\n".join(path.read_text(encoding="utf-8") for path in (PROJECT / "tests" / "oversight").glob("test_*.py"))


def test_the_tests_that_it_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", GUIDE))
    assert len(named) >= 20
    assert [name for name in sorted(named) if f"def {name}(" not in TESTS] == []


def test_every_case_that_one_copy_cannot_show_is_in_its_table() -> None:
    """The tests that say `seen_by` are about just those."""
    cannot = set(re.findall(r"def (test_\w*seen_by_(?:the_cosignature|nobody))\(", TESTS))
    assert cannot
    assert [name for name in sorted(cannot) if name not in GUIDE] == []


def test_its_commands_and_options_exist() -> None:
    lines = re.findall(r"^(?:\$ )?appliance oversight (.*)$", GUIDE, re.MULTILINE)
    assert len(lines) >= 8
    for line in lines:
        words = shlex.split(line)
        command = command_of(oversight, words[0])
        known = {name for one in command.params if isinstance(one, click.Option) for name in one.opts}
        assert [word for word in words if word.startswith("--") and word not in known] == [], line


def test_it_tells_of_every_command() -> None:
    assert [name for name in commands_of(oversight) if f"`appliance oversight {name}" not in GUIDE] == []

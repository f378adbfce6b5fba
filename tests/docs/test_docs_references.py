"""What the documents name must exist: files, links, make targets, commands and their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from appliance.cli import cli as appliance
from keyceremony.cli import cli as keyceremony

PROJECT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md"), *(PROJECT / "softhsm-config").glob("*.md")]
)
COMMANDS = {"appliance": appliance, "keyceremony": keyceremony}
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")
CITED = re.compile(r"`((?:appliance|keyceremony|tests|docs|softhsm-config)/[\w./-]+\.(?:py|md|yaml|sh|in))`")
FENCE = re.compile(r"^```(?:console|sh|bash)\n(.*?)^```", re.MULTILINE | re.DOTALL)
name_of = {document: str(document.relative_to(PROJECT)) for document in DOCUMENTS}


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of.get)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link of a document is a file or folder of the project."""
    targets = [target for target in LINK.findall(document.read_text(encoding="utf-8")) if "://" not in target]
    assert [target for target in targets if not (document.parent / target).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of.get)
def test_cited_files_exist(document: Path) -> None:
    """Every path of a source file that a document cites is there."""
    cited = CITED.findall(document.read_text(encoding="utf-8"))
    assert [path for path in cited if not (PROJECT / path).is_file()] == []


def _command_lines(document: Path) -> Iterator[list[str]]:
    """The commands in a document's shell blocks, continuation lines joined, comments, prompts and output dropped."""
    for block in FENCE.findall(document.read_text(encoding="utf-8")):
        lines = block.replace("\\\n", " ").splitlines()
        for line in [line for line in lines if line.startswith("$ ")] or lines:
            text = line.strip().removeprefix("$ ")
            if text.startswith(("make ", "appliance ", "keyceremony ", ".venv/bin/")):
                yield shlex.split(text, comments=True)


def test_make_targets_exist() -> None:
    """Every `make X` in the documents is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z]+):", (PROJECT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    asked = {words[1] for document in DOCUMENTS for words in _command_lines(document) if words[0] == "make"}
    assert {"demo", "test"} <= asked
    assert asked <= targets


def _unknown(words: list[str]) -> list[str]:
    """What of a command line the program does not know: a subcommand or options."""
    command: click.Command = COMMANDS[Path(words[0]).name]
    rest = words[1:]
    while isinstance(command, click.Group) and rest:
        below = command.get_command(click.Context(command), rest[0])
        if below is None:
            return [] if rest[0] == "--help" else [rest[0]]
        command = below
        rest.pop(0)
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    return [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of.get)
def test_commands_and_options_exist(document: Path) -> None:
    """Every `appliance` and `keyceremony` command in a document exists with the options it is given."""
    lines = [words for words in _command_lines(document) if Path(words[0]).name in COMMANDS]
    assert {" ".join(words): unknown for words in lines if (unknown := _unknown(words))} == {}


def test_the_documents_show_every_step() -> None:
    """So that the check above has something to look at."""
    shown = {
        (Path(words[0]).name, words[1]) for document in DOCUMENTS for words in _command_lines(document) if words[1:]
    }
    assert {("keyceremony", step) for step in ("enroll", "plan", "show", "approve", "execute", "verify")} <= shown
    assert {("appliance", step) for step in ("serve", "convert", "status")} <= shown

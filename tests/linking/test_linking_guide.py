"""The commands of docs/linking.md run as they stand, on the files of the page, and print what it shows."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from pathlib import Path

import pytest
from linkingkit import run

from appliance.hubkit.inquiries import ALREADY_LINKED, Because, State
from appliance.hubkit.linking import TOLD
from appliance.linking import answer, request
from tests.daemonkit import Daemon
from tests.world import PROJECT

PAGE = (PROJECT / "docs" / "linking.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
TABLE = re.compile(r"`([\w.-]+\.csv)`\)?:\n\n```csv\n(.*?)^```", re.MULTILINE | re.DOTALL)
FORMAT = re.compile(r"^```json\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ appliance ((?:.*\\\n)*.*)\n", re.MULTILINE)


def test_the_guide(daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").symlink_to(daemon.world.folder / "run")
    for name, text in TABLE.findall(PAGE):
        Path(name).write_text(text, encoding="utf-8")
    ran = []
    for block in BLOCK.findall(PAGE):
        shown = COMMAND.split(block)
        assert shown[0] == ""
        for command, output in zip(shown[1::2], shown[2::2], strict=True):
            words = shlex.split(command.replace("\\\n", " "))
            ran.append(words[1])
            done = run(*words)
            assert (done.code, done.err) == (1 if "1 lines, in people.csv" in output else 0, ""), command
            for line, real in zip(output.splitlines(), done.out.splitlines(), strict=True):
                assert re.fullmatch(re.escape(line).replace("…", ".*"), real), command
    assert ran.count("link") == 3
    assert {"load", "request", "receive", "status", "inquiries", "close", "correct", "export"} < set(ran)
    numbered = {"135792468": "01234567890", "357924680": "33445566778"}
    numbered |= {"468035791": "44556677889", "580257913": "55667788990"}
    with Path("numbers.csv").open() as file:
        rows = {row["existing"]: row["number"] for row in csv.DictReader(file)}
    made = daemon.numbers("resident", "sspin.C.1", list(numbered.values()), role="numbering")
    assert rows == dict(zip(numbered, made, strict=True))
    found = [row["register_line"] for row in csv.DictReader(io.StringIO(Path("findings.csv").read_text("utf-8")))]
    assert {"3", "4"} <= set(found)


def test_the_formats_are_as_the_page_shows_them() -> None:
    asked, answered = FORMAT.findall(PAGE)
    for text, header, line in ((asked, request.Header, request.Person), (answered, answer.Header, answer.Line)):
        first, *rest, last = (json.loads(part) for part in text.splitlines())
        assert tuple(first) == header.__struct_fields__
        assert {key for part in rest for key in part} == set(line.__struct_fields__)
        assert list(last) == ["sha256"]


def test_the_page_names_every_reason_and_state() -> None:
    for name in (*TOLD, ALREADY_LINKED, *State, *Because):
        assert f"`{name}`" in PAGE, name

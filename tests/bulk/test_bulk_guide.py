"""The commands of docs/bulk.md run as they stand, one after the other, and print what the page shows."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from bulkkit import Numbers, bulk, column, start, table

from appliance.bulk.counting import REJECTED
from tests.daemonkit import Daemon
from tests.world import PROJECT

BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^\$ appliance bulk ((?:.*\\\n)*.*)$", re.MULTILINE)
PAGE = PROJECT / "docs" / "bulk.md"


def test_the_guide(daemon: Daemon, numbers: Numbers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").symlink_to(daemon.world.folder / "run")
    Path("people.csv").write_bytes(table(numbers.old))
    Path("sector-c.csv").write_bytes(table(numbers.old))
    ran = []
    for block in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        for found in COMMAND.finditer(block):
            command = shlex.split(found[1].replace("\\\n", " "))
            ran.append(command[0])
            done = bulk(*command)
            if command[0] in ("resume", "discard", "status"):
                assert "there is no unfinished job" in done.err  # the one before went to its end
                continue
            assert (done.code, done.err) == (0, "")
            shown = [line for line in block[found.end() :].split("$ ")[0].splitlines() if line and "…" not in line]
            for line in shown:
                if not line.startswith(("took", "output")):
                    assert line in done.out.splitlines()
    assert ran == ["convert", "status", "resume", "discard", "rekey", "census"]
    assert column(Path("people-b.csv").read_bytes()) == list(numbers.b)
    assert column(Path("sector-c.2.csv").read_bytes()) == list(numbers.new)


def test_the_page_names_every_option_reason_and_command() -> None:
    page = PAGE.read_text(encoding="utf-8")
    helped = start("rekey", "--help").communicate()[0].decode()
    for option in set(re.findall(r"--[a-z-]+", helped)) - {"--help", "--order", "--column", "--socket"}:
        assert f"`{option}" in page or f" {option} " in page, option
    for reason in REJECTED:
        assert f"`{reason}`" in page

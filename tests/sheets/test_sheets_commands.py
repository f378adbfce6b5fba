"""`keyceremony script` and `minutes`: from a plan and a ledger on the disk to a file that links what is there."""

from __future__ import annotations

import shlex
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from softhsmkit import SoftHSM

from appliance.ledger import canonical
from appliance.ledger.actions import Generate
from appliance.ledger.text import render_instant
from keyceremony import cli

from . import fixedledger
from .reading import read


@dataclass
class Place:
    """A ledger's folder with a plan that waits. ``where``: the options that say where it is."""

    folder: Path

    @property
    def ledger(self) -> Path:
        return self.folder / "the ledger"

    @property
    def where(self) -> list[str]:
        return ["--ledger", str(self.ledger), "--anchor", fixedledger.ledger().anchor]

    @property
    def plan(self) -> Path:
        return self.ledger / "pending" / "000015.plan.json"

    def draft(self, *, expired: bool = False) -> None:
        """A plan made now, or a fortnight ago."""
        created = datetime.now(UTC) - (timedelta(days=14) if expired else timedelta(minutes=1))
        drafted = fixedledger.ledger().plan(
            "B 分野",
            Generate(generation="sspin.B.2", parent="spin.1"),
            created=render_instant(created),
            expires=render_instant(created + timedelta(days=7)),
        )
        self.plan.write_bytes(canonical.encode(drafted))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    (made.ledger / "pending").mkdir(parents=True)
    for name, data in fixedledger.ledger().files.items():
        (made.ledger / name).write_bytes(data)
    made.draft()
    return made


def test_the_script_of_a_waiting_plan_is_written_with_commands_that_fit(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    out = place.folder / "script.html"
    assert cli.run(["script", str(place.plan), "--out", str(out), *place.where]) == 0
    assert f"Written: {out} (" in capsys.readouterr().out
    page = read(out.read_bytes())
    approve = shlex.join(["keyceremony", "approve", str(place.plan), "--as", "officer-1", "--token", "officer-1"])
    assert any(text.startswith(approve) and text.endswith(shlex.join(place.where)) for text in page.text)
    outcome = shlex.quote(str(place.ledger / "000015.outcome.cms"))
    assert any(text.startswith("openssl cms -verify") and outcome in text for text in page.text)


def test_the_ledger_around_a_waiting_plan_need_not_be_named(place: Place) -> None:
    out = place.folder / "script.html"
    anchor = ["--anchor", fixedledger.ledger().anchor]
    assert cli.run(["script", str(place.plan), "--lang", "ja", "--out", str(out), *anchor]) == 0
    assert read(out.read_bytes()).words.count("鍵セレモニー手順書") == 2


def test_there_is_no_script_for_a_plan_that_cannot_be_carried_out(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    place.draft(expired=True)
    out = place.folder / "script.html"
    assert cli.run(["script", str(place.plan), "--out", str(out), *place.where]) == 4
    assert "000015.plan.json: expired at " in capsys.readouterr().err
    assert not out.exists()


def test_nothing_is_overwritten(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    out = place.folder / "minutes.html"
    out.write_text("signed by hand")
    for command in (["script", str(place.plan)], ["minutes", "3"]):
        assert cli.run([*command, "--out", str(out), *place.where]) == 1
        assert f"{out}: exists already; nothing is overwritten" in capsys.readouterr().err
    assert out.read_text() == "signed by hand"


def test_a_sheet_is_not_written_into_the_ledger(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(place.ledger.iterdir())
    for command in (["script", str(place.plan)], ["minutes", "3"]):
        assert cli.run([*command, "--out", str(place.ledger / "sheet.html"), *place.where]) == 2
        assert "lies in the ledger's folder, where only the ledger may be" in capsys.readouterr().err
    assert sorted(place.ledger.iterdir()) == before


def test_the_minutes_link_files_that_are_there_and_openssl_verifies_them_as_told(
    place: Place, softhsm: SoftHSM
) -> None:
    (place.folder / "papers").mkdir()
    out = place.folder / "papers" / "minutes.html"
    assert cli.run(["minutes", "3", "--lang", "en", "--out", str(out), *place.where]) == 0
    page = read(out.read_bytes())
    links = [value for name, value in page.attributes if name == "href"]
    assert links[-1] == "../the%20ledger/000003.outcome.cms"
    assert all((out.parent / link.replace("%20", " ")).is_file() for link in links)
    commands = [shlex.split(text) for text in page.text if text.startswith("openssl ")]
    assert len(commands) == len(links) == 4
    for _, *words in commands:
        done = subprocess.run([str(softhsm.openssl), *words], capture_output=True, text=True)
        assert (done.returncode, done.stderr.strip()) == (0, "CMS Verification successful")


def test_an_entry_that_is_not_there_is_said_so(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    out = place.folder / "minutes.html"
    assert cli.run(["minutes", "15", "--out", str(out), *place.where]) == 2
    assert "entry 15: the ledger ends with entry 14" in capsys.readouterr().err


def test_a_ledger_that_does_not_hold_has_no_minutes(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    last = place.ledger / "000014.outcome.cms"
    last.write_bytes(last.read_bytes()[:-1] + b"\0")
    out = place.folder / "minutes.html"
    assert cli.run(["minutes", "3", "--out", str(out), *place.where]) == 4
    assert "000014.outcome.cms: " in capsys.readouterr().err
    assert not out.exists()

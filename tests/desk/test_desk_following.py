"""Following: what fails is told since when and why, the rest goes on, and a page never waits for long."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from deskkit import looking_at
from logkit import thousand

from appliance.desk import following
from appliance.desk.errors import CeremonyToolFailed, DeskError
from appliance.desk.following import Following
from appliance.hubkit.errors import DaemonUnreachable, Refused
from appliance.oversight.copy import Copy
from appliance.oversight.errors import LogForked, PieceMissing, PieceWrong

NOW = datetime(2026, 7, 1, tzinfo=UTC)


class Daemon:
    """A client whose log is a copy, or which fails."""

    def __init__(self, folder: Path) -> None:
        self.copy = Copy(folder)
        self.fault: Exception | None = None

    def log_piece(self, path: str) -> bytes:
        if self.fault is not None:
            raise self.fault
        if path == "ledger":
            return b'{"files":[%s]}' % b",".join(b'"%s"' % name.encode() for name in sorted(self.copy.ledger()))
        if path == "cosigned":
            raise Refused("not_found", "none", 404)
        return (self.copy.directory / path).read_bytes()

    def status(self) -> dict[str, Any]:
        if self.fault is not None:
            raise self.fault
        return {"ready": True}


class Tool:
    """A ceremony tool that counts how often it is asked."""

    def __init__(self, every: float = 0.0) -> None:
        self.every = every
        self.asked = 0
        self.fault: Exception | None = None

    async def look(self) -> str:
        self.asked += 1
        if self.fault is not None:
            raise self.fault
        return "ceremonies"


class World:
    """A desk's background work, its clock in the test's hand."""

    def __init__(self, folder: Path, tool: Tool | None = None) -> None:
        self.log = thousand()
        self.daemon = Daemon(self.log.write(folder / "log"))
        self.time = NOW
        looking = looking_at(folder / "state", self.log)
        self.work = Following(looking, self.daemon, tool, 30.0, lambda: self.time)  # type: ignore[arg-type]

    def look(self, minutes: int = 1) -> None:
        self.time += timedelta(minutes=minutes)
        asyncio.run(self.work.look())


def test_everything_is_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path, Tool())
    world.look()
    standing = world.work.standing
    assert standing.view is not None
    assert standing.view.statistics.records == 1_000
    assert (standing.fresh, standing.status, standing.ceremonies) == (world.time, {"ready": True}, "ceremonies")
    assert standing.troubles == {}


def test_a_trouble_is_told_since_it_began_and_goes_when_it_ends(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.look()
    view, fresh = world.work.standing.view, world.work.standing.fresh
    world.daemon.fault = DaemonUnreachable("nobody there", "start it")
    for _ in range(3):
        world.look()
    standing = world.work.standing
    assert {part: (one.since, one.message, one.hint, one.alarm) for part, one in standing.troubles.items()} == {
        part: (NOW + timedelta(minutes=2), "nobody there", "start it", False) for part in ("log", "daemon")
    }
    assert [one.part for one in standing.told] == ["log"], "one cause is told once"
    assert (standing.view, standing.fresh) == (view, fresh)
    world.daemon.fault = None
    world.look()
    assert world.work.standing.troubles == {}
    assert world.work.standing.fresh == world.time


@pytest.mark.parametrize(
    ("fault", "alarm"),
    [
        (LogForked("two heads"), True),
        (PieceWrong("not the one"), True),
        (PieceMissing("not there yet"), False),
        (Refused("overloaded", "too much", 503, 1.0), False),
        (OSError(28, "No space left on device"), False),
    ],
)
def test_what_is_an_alarm_and_what_will_pass(fault: Exception, alarm: bool, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.look()
    world.daemon.fault = fault
    world.look()
    assert world.work.standing.troubles["log"].alarm is alarm
    assert world.work.standing.alarmed is alarm


def test_one_part_that_fails_stops_no_other(tmp_path: Path) -> None:
    tool = Tool()
    tool.fault = CeremonyToolFailed("it hangs")
    world = World(tmp_path, tool)
    world.look()
    assert set(world.work.standing.troubles) == {"ceremony"}
    assert world.work.standing.view is not None
    assert world.work.standing.ceremonies is None


def test_a_defect_is_told_without_its_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path)
    world.daemon.fault = ZeroDivisionError("12345678901")
    world.look()
    assert world.work.standing.troubles["log"].message == "a defect of Kagimori: ZeroDivisionError"
    assert "12345678901" not in capsys.readouterr().err


def test_ceremonies_are_asked_about_as_often_as_the_settings_say(tmp_path: Path) -> None:
    tool = Tool(every=150.0)
    world = World(tmp_path, tool)
    for _ in range(6):
        world.look()
    assert tool.asked == 2


def test_a_record_waits_for_a_look_and_not_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "RECORD_PATIENCE", 0.1)
    world = World(tmp_path)

    async def asked() -> None:
        with pytest.raises(DeskError, match="nothing has been read yet"):
            await world.work.record(1)
        await world.work.look()
        assert (await world.work.record(7)).entry == world.log.entries[6]
        async with world.work._lock:
            with pytest.raises(DeskError, match="the copy is being brought up to date"):
                await world.work.record(7)
        assert (await world.work.record(8)).entry == world.log.entries[7]

    asyncio.run(asked())


def test_stopping_does_not_wait_for_the_end_of_the_log(tmp_path: Path) -> None:
    """The thread that reads asks after each bundle whether it shall go on."""
    world = World(tmp_path)

    async def stopped() -> None:
        work = asyncio.create_task(world.work.run())
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

    asyncio.run(stopped())
    asyncio.run(world.work.look())
    assert world.work.standing.view is None
    assert world.work.standing.troubles["log"].message == "the desk is being stopped"

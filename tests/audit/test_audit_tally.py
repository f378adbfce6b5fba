"""The counts by order, day, role and purpose: whatever happens to the snapshot, they are what the log says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.audit import records
from appliance.audit.tally import FILE_NAME, Tally, save

DAY = "2026-11-26"
ORDER = "ab" * 32


def conversion(number: int, count: int, *, role: str = "hub", purpose: str = "exchange", **more: str) -> records.Record:
    time = f"{more.pop('day', DAY)}T10:00:00.000000Z"
    return records.Conversion(
        record=number,
        time=time,
        role=role,
        uid=1,
        gid=1,
        pid=1,
        source="sspin.A.1",
        target="sspin.B.1",
        purpose=purpose,
        reference='says "kind":"conversion"',
        count=count,
        converted=count,
        malformed=0,
        unknown=0,
        **more,
    )


class Log:
    """Records from 1 on, as the log gives them; remembers from where it was read."""

    def __init__(self, *listed: records.Record) -> None:
        self.entries = [records.encode(record) for record in listed]
        self.asked = 0

    def read(self, first: int) -> Iterator[tuple[int, bytes, bytes]]:
        self.asked = first
        for number, entry in enumerate(self.entries[first - 1 :], first):
            yield number, entry, b""

    def tally(self, folder: Path) -> Tally:
        return Tally.open(folder, len(self.entries), self.read)


def stop(number: int) -> records.Record:
    return records.Stop(record=number, time=f"{DAY}T11:00:00.000000Z", reason='"kind":"conversion"')


def three() -> Log:
    return Log(
        conversion(1, 5),
        conversion(2, 7, purpose="linking", order=ORDER),
        conversion(3, 11, role="numbering", order=ORDER),
        stop(4),
    )


def told(tally: Tally) -> tuple[int, ...]:
    return (
        tally.on_day(DAY, "hub"),
        tally.on_day(DAY, "hub", "exchange"),
        tally.on_day(DAY, "hub", "linking"),
        tally.on_day(DAY, "numbering"),
        tally.used(ORDER),
        tally.on_day("2026-11-25", "hub"),
        tally.used("cd" * 32),
    )


EXPECTED = (12, 5, 7, 11, 18, 0, 0)


def test_everything_is_counted_from_the_log(tmp_path: Path) -> None:
    tally = three().tally(tmp_path)
    assert told(tally) == EXPECTED
    assert tally.counted == 4


def test_a_snapshot_saves_reading_and_says_the_same(tmp_path: Path) -> None:
    log = three()
    save(tmp_path, log.tally(tmp_path).snapshot())
    log.entries.append(records.encode(conversion(5, 100, order=ORDER)))
    again = log.tally(tmp_path)
    assert log.asked == 5
    assert again.used(ORDER) == 118
    assert again.on_day(DAY, "hub") == 112


@pytest.mark.parametrize("damage", [b"", b"{}", b'{"type":"kagimori/tally/v1"', b"\xff", None])
def test_a_damaged_or_missing_snapshot_is_counted_anew(tmp_path: Path, damage: bytes | None) -> None:
    log = three()
    save(tmp_path, log.tally(tmp_path).snapshot())
    if damage is None:
        (tmp_path / FILE_NAME).unlink()
    else:
        (tmp_path / FILE_NAME).write_bytes(damage)
    assert told(log.tally(tmp_path)) == EXPECTED
    assert log.asked == 1


def test_a_snapshot_ahead_of_the_log_is_not_believed(tmp_path: Path) -> None:
    log = three()
    save(tmp_path, log.tally(tmp_path).snapshot())
    shorter = Log()
    shorter.entries = log.entries[:2]
    tally = shorter.tally(tmp_path)
    assert shorter.asked == 1
    assert tally.used(ORDER) == 7


def test_old_days_are_forgotten_and_orders_are_not(tmp_path: Path) -> None:
    days = ("2026-11-20", "2026-11-24", "2026-11-25", "2026-11-26")
    log = Log(*(conversion(number, 1, day=day, order=ORDER) for number, day in enumerate(days, 1)))
    save(tmp_path, log.tally(tmp_path).snapshot())
    tally = log.tally(tmp_path)
    assert [tally.on_day(day, "hub") for day in days] == [0, 0, 1, 1]
    assert tally.used(ORDER) == 4


@given(counts=st.lists(st.integers(0, 1_000), max_size=12), at=st.integers(0, 12))
def test_saved_anywhere_the_sum_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, counts: list[int], at: int
) -> None:
    folder = tmp_path_factory.mktemp("tally")
    log = Log(*(conversion(number, count, order=ORDER) for number, count in enumerate(counts, 1)))
    part = Log()
    part.entries = log.entries[:at]
    save(folder, part.tally(folder).snapshot())
    tally = log.tally(folder)
    assert tally.used(ORDER) == tally.on_day(DAY, "hub") == sum(counts)

"""Tampering with a log of 1,000 records: what `verify` sees, each with its place, and what it cannot see by itself.

The table in docs/oversight-guide.md names these tests. Those called `..._seen_by_...` at the end are the cases that no
look at one copy can show: only somebody who saw the log before (a witness, an earlier copy, a kept checkpoint) can.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from logkit import Log, put, sign, thousand, witness_keys

from appliance.audit import records
from appliance.oversight.copy import Copy
from appliance.oversight.errors import LogForked, LogShrunk
from appliance.oversight.export import Export
from appliance.oversight.verify.whole import Demands, verify
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.merkle import leaf_hash
from appliance.tlog.tiles import ENTRIES, bundles_of, tile_of, tiles_of

FILES = (
    "checkpoint",
    "cosigned",
    *(f"ledger/00000{number}.{kind}.cms" for number in (1, 2) for kind in ("authorization", "outcome")),
    *(tile.path for tile in (*tiles_of(1000), *bundles_of(1000))),
)
UNSIGNED = "is not signed by any key that is known here"
POSITIONS = 16  # in every file


def found(directory: Path, log: Log, demands: Demands | None = None) -> list[str]:
    """What verifying finds, as a person reads it."""
    return [str(one) for one in verify(directory, log.book.anchor, demands or Demands()).findings.kept]


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the thousand records; whoever alters it puts it right again (`holding`)."""
    return thousand().write(tmp_path_factory.mktemp("honest"), cosigned=900)


@contextmanager
def holding(path: Path, data: bytes) -> Iterator[None]:
    """The file holds other bytes for a while."""
    before = path.read_bytes()
    path.write_bytes(data)
    try:
        yield
    finally:
        path.write_bytes(before)


def test_there_is_nothing_to_find_in_it(honest: Path, log: Log) -> None:
    assert found(honest, log, Demands(witnesses=witness_keys().vkeys)) == []
    assert sorted(str(path.relative_to(honest)) for path in honest.rglob("*") if path.is_file()) == sorted(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_flipped_bit_anywhere_is_seen_and_its_file_named(honest: Path, log: Log, name: str) -> None:
    """The first bytes, the last ones, and a sample between them; in a ledger file the ledger names it."""
    path, chance = honest / name, random.Random(name)
    data = path.read_bytes()
    sample = chance.sample(range(len(data)), min(POSITIONS, len(data)))
    for position in sorted({0, 1, len(data) - 2, len(data) - 1, *sample}):
        altered = bytearray(data)
        altered[position] ^= 1 << chance.randrange(8)
        with holding(path, bytes(altered)):
            told = found(honest, log)
        assert any(name.removeprefix("ledger/") in line for line in told), (position, told)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_seen_and_named(honest: Path, log: Log, name: str) -> None:
    path = honest / name
    data = path.read_bytes()
    for other in (b"", data[:1], data[: len(data) // 2], data[:-1], data + b"\n"):
        with holding(path, other):
            told = found(honest, log)
        assert any(name.removeprefix("ledger/") in line for line in told), (len(other), told)


def test_the_entry_is_named_to_the_record(honest: Path, log: Log) -> None:
    path = honest / "tile/entries/003.p/232"
    with holding(path, path.read_bytes().replace(b'"reference":"case-786"', b'"reference":"case-787"')):
        assert found(honest, log) == [
            "tile/entries/003.p/232 entry 17 (record 786): its hash is not the one that tile/0/003.p/232 holds"
        ]


def _without(entries: list[bytes]) -> None:
    del entries[699]


def _twice(entries: list[bytes]) -> None:
    entries.insert(700, entries[699])


def _swapped(entries: list[bytes]) -> None:
    entries[699], entries[700] = entries[700], entries[699]


def _emptied(entries: list[bytes]) -> None:
    entries[699] = b""


CHANGES = {"dropped": _without, "doubled": _twice, "swapped": _swapped, "emptied": _emptied}


def rewritten(log: Log, change: Callable[[list[bytes]], None], *, renumber: bool = False) -> Log:
    """The log with other entries, its tree made anew; ``renumber``: as if they had always been so."""
    change(log.entries)
    if renumber:
        log.entries = [
            records.encode(msgspec.structs.replace(records.decode(entry), record=number))
            for number, entry in enumerate(log.entries, start=1)
        ]
    log.leaves = [leaf_hash(entry) for entry in log.entries]
    return log


@pytest.mark.parametrize("how", CHANGES)
def test_records_changed_without_their_tiles(tmp_path: Path, log: Log, how: str) -> None:
    """Only the bundles are rewritten: the entries do not hash to the tiles, from the first changed one on."""
    copy = log.write(tmp_path / "copy")
    altered = rewritten(log.fork(), CHANGES[how])
    for tile in bundles_of(min(altered.size, 1000)):
        put(copy / tile_of(ENTRIES, tile.index, 1000).path, altered.tile(tile))
    first = 188 if how == "doubled" else 187
    assert found(copy, log)[0].startswith(f"tile/entries/002 entry {first} (record {first + 513}): ")


@pytest.mark.parametrize("how", CHANGES)
def test_records_changed_with_their_tiles(tmp_path: Path, log: Log, how: str) -> None:
    """All tiles are made anew, but the checkpoint's signature cannot be: its root is another one."""
    note = log.note()
    altered = rewritten(log.fork(), CHANGES[how])
    copy = altered.write(tmp_path / "copy")
    put(copy / "checkpoint", note)
    told = found(copy, log)
    assert any(line.startswith("checkpoint (size 1000): its root is") or "tile" in line for line in told)
    assert any("record 7" in line for line in told)


@pytest.mark.parametrize("how", ["dropped", "doubled", "swapped", "emptied"])
def test_records_changed_and_signed_anew(tmp_path: Path, log: Log, how: str) -> None:
    """Even whoever can make the token sign cannot leave a number out, or have one twice."""
    altered = rewritten(log.fork(), CHANGES[how])
    told = found(altered.write(tmp_path / "copy"), log)
    assert told[0].startswith("tile/entries/002 entry 18")
    assert "says it is record" in told[0] or "no record" in told[0]


def test_a_checkpoint_of_a_stranger(tmp_path: Path, log: Log) -> None:
    copy = log.write(tmp_path / "copy")
    put(copy / "checkpoint", sign(log.checkpoint(), "log.2"))
    told = found(copy, log)
    assert UNSIGNED in told[0]
    assert told[1:] == [
        f"checkpoint: a signature in the name of {log.origin!r} is by no key that ledger or options name",
    ]


def test_another_logs_checkpoint(tmp_path: Path, log: Log) -> None:
    """A second appliance under the same ledger has a log of its own name; another ledger's is refused by its origin."""
    copy = log.write(tmp_path / "copy")
    put(copy / "checkpoint", sign(Checkpoint("kagimori/log/0000000000000000/main", 1000, log.root())))
    assert "checkpoint: the checkpoint's log is 'kagimori/log/0000000000000000/main'" in found(copy, log)[0]


def test_the_end_cut_off_a_copy(tmp_path: Path, log: Log) -> None:
    """Records behind an older checkpoint are dropped, but their tiles are still there."""
    copy = log.write(tmp_path / "copy")
    put(copy / "checkpoint", log.note(900))
    told = found(copy, log)
    assert (
        "tile/0/003.p/232: does not belong to a copy of 900 records: records behind its checkpoint were dropped, "
        "or an export was cut off"
    ) in told


def test_an_older_ledger_put_back(tmp_path: Path, log: Log) -> None:
    copy = log.write(tmp_path / "copy")
    for kind in ("authorization", "outcome"):
        (copy / "ledger" / f"000002.{kind}.cms").unlink()
    told = found(copy, log)
    assert "record 3: names ledger entry 2; the ledger in the copy ends at 1" in told
    assert UNSIGNED in told[0]


# What one copy cannot show.


def test_an_old_copy_put_back_is_seen_by_the_cosignature(tmp_path: Path, log: Log) -> None:
    """A whole old state is right in itself. It is found by what was co-signed or kept since."""
    copy = log.write(tmp_path / "copy", 900)
    assert found(copy, log) == []
    assert found(copy, log, Demands(seen={"kept.note": log.checkpoint(950)})) == [
        "kept.note: goes further than the copy, which has 900 records: records are missing at the end"
    ]
    put(copy / "cosigned", log.cosigned(950))
    assert found(copy, log) == [
        "cosigned: goes further than the copy, which has 900 records: records are missing at the end"
    ]


def test_an_old_copy_put_back_is_seen_by_export(tmp_path: Path, log: Log) -> None:
    log.write(tmp_path / "old", 900)
    log.write(tmp_path / "copy")
    with pytest.raises(LogShrunk, match="the log shrank: size 1000, root .* and size 900, root "):
        Export(Copy(tmp_path / "old"), tmp_path / "copy").run()
    assert found(tmp_path / "copy", log) == []


@pytest.mark.parametrize("how", ["dropped", "doubled"])
def test_a_fork_is_seen_by_the_cosignature(tmp_path: Path, log: Log, how: str) -> None:
    """History rewritten, numbered anew and signed by the same key: right in itself, and another log than was seen."""
    altered = rewritten(log.fork(), CHANGES[how], renumber=True)
    altered.start()
    altered.grow(1010)
    copy = altered.write(tmp_path / "copy")
    assert found(copy, log) == []
    seen = found(copy, log, Demands(seen={"kept.note": log.checkpoint(950)}))
    assert seen == [f"kept.note: its root is {log.root(950).hex()}; the copy's tiles give {altered.root(950).hex()}"]
    put(copy / "cosigned", log.cosigned(900))
    assert found(copy, log) == [
        f"cosigned: its root is {log.root(900).hex()}; the copy's tiles give {altered.root(900).hex()}"
    ]


def test_a_fork_is_seen_by_export(tmp_path: Path, log: Log) -> None:
    altered = rewritten(log.fork(), _without, renumber=True)
    altered.start()
    altered.grow(1100)
    altered.write(tmp_path / "fork")
    log.write(tmp_path / "copy")
    with pytest.raises(LogForked, match="the log was forked: size 1000, root .* and size 1100, root "):
        Export(Copy(tmp_path / "fork"), tmp_path / "copy").run()
    assert found(tmp_path / "copy", log) == []


def test_records_dropped_before_anybody_saw_them_are_seen_by_nobody(tmp_path: Path, log: Log) -> None:
    """No checkpoint, no copy, no witness knew of them: this is what cannot be seen, and the guide says so."""
    shorter = rewritten(log.fork(), lambda entries: entries.__delitem__(slice(990, None)))
    assert found(shorter.write(tmp_path / "copy", cosigned=990), log) == []

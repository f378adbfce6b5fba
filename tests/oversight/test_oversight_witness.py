"""The witness: cosigns what goes on from what it saw, and nothing else; what disagrees raises an alarm that stands."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from ledgerkit import OFFICERS
from logkit import WITNESS, Log, founded, put, sign, thousand, witness_keys

from appliance.audit import records
from appliance.ledger.actions import Activate, Generate, Restrict, Suspend
from appliance.ledger.errors import LedgerForked, LedgerRolledBack
from appliance.oversight.copy import Copy
from appliance.oversight.errors import (
    CheckpointRefused,
    ClockBehind,
    FolderBusy,
    LogForked,
    LogShrunk,
    OversightError,
    PieceMissing,
    PieceWrong,
    RecordWrong,
    WitnessAlarmed,
    WitnessStateUnusable,
)
from appliance.oversight.files import locked
from appliance.oversight.witness.rounds import Cosigned, Witness
from appliance.oversight.witness.state import Head, WitnessState
from appliance.tlog import cosignature
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint, parse_text
from appliance.tlog.errors import TlogError
from appliance.tlog.merkle import leaf_hash
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44
from appliance.tlog.tiles import ENTRIES, tile_of

NOW = 1_775_100_000
PEOPLE = ("ito", "sato", "ueda")


Spoil = Callable[[Path], None]  # does something to a copy


class Bench:
    """A witness in a folder, and the copies that it is shown."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.state = WitnessState(folder / "state")
        self.state.folder.mkdir()
        self.time = NOW
        self._copies = 0

    def look(
        self, log: Log, size: int | None = None, *, entries: bool = True, spoil: Callable[[Path], None] | None = None
    ) -> Cosigned:
        """Show the witness a copy of the log's first ``size`` records."""
        self._copies += 1
        copy = log.write(self.folder / f"copy{self._copies}", size)
        if spoil is not None:
            spoil(copy)
        self.time += 1
        begin = self.state.read() is None
        keys = witness_keys()
        witness = Witness(keys, self.state, log.book.anchor, entries=entries, begin=begin, now=lambda: self.time)
        return witness.look(Copy(copy))

    @property
    def head(self) -> Head:
        head = self.state.read()
        assert head is not None
        return head

    def refused(
        self, error: type[OversightError | TlogError], log: Log, size: int | None = None, **spoil: object
    ) -> str:
        """Why a look is refused; the head and the folder stay as they were."""
        before = (self.state.folder / "head.json").read_bytes()
        with pytest.raises(error) as refusal:
            self.look(log, size, **spoil)
        assert (self.state.folder / "head.json").read_bytes() == before
        return refusal.value.message


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def rewritten(log: Log, record: int) -> Log:
    """The log with one record's reference changed, as if it had always been so."""
    entry = records.decode(log.entries[record - 1])
    assert isinstance(entry, records.Conversion)
    log.entries[record - 1] = records.encode(msgspec.structs.replace(entry, reference="rewritten"))
    log.leaves[record - 1] = leaf_hash(log.entries[record - 1])
    return log


def test_the_first_head(bench: Bench, log: Log) -> None:
    """Both cosignatures verify; everything was read; what is remembered is what was signed."""
    done = bench.look(log, 700)
    assert (done.checkpoint, done.before, done.read, done.time) == (log.checkpoint(700), 0, 700, NOW + 1)
    note = notes.parse(done.note)
    kinds = [one.kind for one in cosignature.verified(note, done.checkpoint, witness_keys().vkeys)]
    assert kinds == [COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44]
    assert [line.name for line in note.signatures] == [log.origin, WITNESS, WITNESS]
    head = bench.head
    assert (head.size, head.root, head.read, head.time) == (700, log.root(700).hex(), 700, NOW + 1)
    assert (head.sequence, head.ledger, head.key) == (2, log.book.state.head, "log.1")


@pytest.mark.parametrize(("first", "second"), [(4, 5), (255, 256), (256, 257), (300, 1000), (512, 513), (1000, 1000)])
def test_the_next_head(bench: Bench, log: Log, first: int, second: int) -> None:
    """Only the new records are read; the same head is co-signed again with a newer time."""
    bench.look(log, first)
    done = bench.look(log, second)
    assert (done.before, done.read, done.time) == (first, second - first, NOW + 2)
    assert bench.head.size == second


def test_openssl_verifies_the_ed25519_cosignature(bench: Bench, log: Log, tmp_path: Path) -> None:
    """An outside judge, over the message that C2SP tlog-cosignature defines, built here by hand."""
    note = notes.parse(bench.look(log, 700).note)
    line = note.signatures[1]
    time = int.from_bytes(line.data[:8], "big")
    (tmp_path / "message").write_bytes(f"cosignature/v1\ntime {time}\n{note.text}".encode())
    (tmp_path / "signature").write_bytes(line.data[8:])
    spki = bytes.fromhex("302a300506032b6570032100") + witness_keys().vkeys[0].public
    (tmp_path / "key.der").write_bytes(spki)
    asked = ["openssl", "pkeyutl", "-verify", "-rawin", "-pubin", "-keyform", "DER", "-inkey", "key.der"]
    judged = subprocess.run(
        [*asked, "-in", "message", "-sigfile", "signature"], cwd=tmp_path, capture_output=True, text=True
    )
    assert "Signature Verified Successfully" in judged.stdout


# Heads that disagree.


def alarmed(bench: Bench, log: Log, error: type[WitnessAlarmed], other: Log, size: int | None = None) -> str:
    """What the alarm says; its evidence is kept, and an honest head is not signed either, until somebody settles it."""
    seen = bench.head.note
    said = bench.refused(error, other, size)
    evidence = bench.state.folder / "evidence" / "0001"
    assert (evidence / "seen.note").read_text() == seen
    assert (evidence / "offered.note").read_bytes() == other.note(size)
    assert bench.refused(WitnessAlarmed, log) == f"an alarm stands, and nothing is signed: {said}"
    (bench.state.folder / "alarm").unlink()
    assert bench.look(log).checkpoint.size == log.size
    return said


def test_a_fork_of_the_same_size(bench: Bench, log: Log) -> None:
    bench.look(log, 900)
    other = rewritten(log.fork(), 850)
    assert alarmed(bench, log, LogForked, other, 900) == (
        f"the log was forked: seen before: size 900, root {log.root(900).hex()}; "
        f"offered now: size 900, root {other.root(900).hex()}"
    )


@pytest.mark.parametrize("record", [100, 899, 900])
def test_a_fork_that_is_larger(bench: Bench, log: Log, record: int) -> None:
    bench.look(log, 900)
    said = alarmed(bench, log, LogForked, rewritten(log.fork(), record))
    assert said.startswith("the log was forked: seen before: size 900")


def test_a_log_that_shrank(bench: Bench, log: Log) -> None:
    bench.look(log, 900)
    said = alarmed(bench, log, LogShrunk, log, 899)
    assert said.startswith("the log shrank: seen before: size 900") and "offered now: size 899" in said


def test_two_forks_shown_to_two_witnesses_are_seen_when_they_meet(tmp_path: Path, log: Log) -> None:
    """Each alone sees nothing wrong: that is what comparing notes (or one witness for all) is for."""
    one, other = Bench(tmp_path / "a"), Bench(tmp_path / "b")
    forked = rewritten(log.fork(), 850)
    one.look(log, 900)
    other.look(forked, 900)
    one.look(log)
    assert other.refused(LogForked, log).startswith("the log was forked")


# Damage is no fork.


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("tile/0/001", "tile/0/001: its hash is not the one that tile/1/000.p/3 holds at 1"),
        ("tile/0/003.p/232", "tile/1/000.p/3, tile/0/003.p/232: these tiles do not give the checkpoint's root"),
        ("tile/1/000.p/3", "tile/1/000.p/3, tile/0/003.p/232: these tiles do not give the checkpoint's root"),
        ("tile/entries/003.p/232", "tile/entries/003.p/232 entry 0 (record 769): its hash is not the one that"),
    ],
)
def test_a_damaged_piece_is_named_and_raises_no_alarm(bench: Bench, log: Log, path: str, said: str) -> None:
    """A flipped bit in a tile must not look like a fork; nothing is signed, and the next, whole copy is."""
    bench.look(log, 300)

    def spoil(copy: Path) -> None:
        data = bytearray((copy / path).read_bytes())
        data[20] ^= 1
        (copy / path).write_bytes(data)

    assert bench.refused(PieceWrong, log, spoil=spoil).startswith(said)
    assert not (bench.state.folder / "alarm").exists()
    assert bench.look(log).read == 700


def test_an_entry_that_is_no_record(bench: Bench, log: Log) -> None:
    bench.look(log)
    log.append(b'{"kind":"nothing"}')
    said = bench.refused(RecordWrong, log)
    assert said.startswith("tile/entries/003.p/233 entry 232 (record 1001): no record: Invalid value 'nothing'")


def test_a_record_out_of_its_place(bench: Bench, log: Log) -> None:
    bench.look(log)
    log.append(records.encode(records.Stop(record=1002, reason="x")))
    assert bench.refused(RecordWrong, log) == "tile/entries/003.p/233 entry 232 (record 1001): says it is record 1002"


def test_unread_records_are_read_the_next_time(bench: Bench, log: Log) -> None:
    """``--no-entries`` looks at the tree only; what was left out is not forgotten."""
    log.append(b"not looked at")
    assert bench.look(log, entries=False).read == 0
    assert (bench.head.size, bench.head.read) == (1001, 0)
    assert "(record 1001): no record" in bench.refused(RecordWrong, log)


def test_missing_bundles(bench: Bench, log: Log) -> None:
    said = "tile/entries/001: is missing"
    bench.look(log, 10)
    assert bench.refused(PieceMissing, log, spoil=lambda copy: (copy / "tile/entries/001").unlink()) == said


def test_bundles_that_were_pruned(bench: Bench, log: Log) -> None:
    log.add(records.Pruned(first=513))
    gone = [tile_of(ENTRIES, index, log.size).path for index in (0, 1)]
    done = bench.look(log, spoil=lambda copy: [(copy / path).unlink() for path in gone] and None)
    assert done.checkpoint.size == 1001


def test_more_missing_than_was_pruned_to_the_witness(bench: Bench, log: Log) -> None:
    bench.look(log, 10)
    log.add(records.Pruned(first=512))
    said = bench.refused(PieceMissing, log, spoil=lambda copy: (copy / "tile/entries/001").unlink())
    assert said == "tile/entries/001: is missing"


# The ledger, and who signed.


def test_a_ledger_put_back(bench: Bench, log: Log) -> None:
    longer = log.fork()
    longer.book.add([Generate(generation="sspin.B.2", parent="spin.1")], PEOPLE)
    bench.look(longer)
    with pytest.raises(LedgerRolledBack, match="the ledger ends at 000002; 000003 has been seen already"):
        bench.look(log)


def test_a_forked_ledger(bench: Bench, log: Log) -> None:
    one, other = log.fork(), log.fork()
    one.book.add([Generate(generation="sspin.B.2", parent="spin.1")], PEOPLE)
    other.book.add([Generate(generation="sspin.E.2", parent="spin.1")], PEOPLE)
    bench.look(one)
    with pytest.raises(LedgerForked, match="entry 000003 is another one than was seen"):
        bench.look(other)


def test_a_stranger_signed(bench: Bench, log: Log) -> None:
    bench.look(log, 10)
    said = bench.refused(TlogError, log, spoil=lambda copy: put(copy / "checkpoint", sign(log.checkpoint(), "log.2")))
    assert "not signed by any key" in said


def test_another_log(bench: Bench, log: Log, tmp_path: Path) -> None:
    """Of another appliance under the same ledger: each log has a witness state of its own."""
    bench.look(log, 10)
    other = log.fork()
    other.name = "second"
    assert f"is of the log {other.origin!r}" in bench.refused(CheckpointRefused, other)
    for number, origin in enumerate(
        ("kagimori/log/0000000000000000/main", "main", f"{log.origin}/x", f"{log.origin}X")
    ):
        foreign = sign(Checkpoint(origin, 1000, log.root()))
        fresh = Bench(tmp_path / f"fresh{number}")
        with pytest.raises(CheckpointRefused, match="logs under this trust anchor are called kagimori/log/"):
            fresh.look(log, spoil=lambda copy, note=foreign: put(copy / "checkpoint", note))  # type: ignore[misc]


def rotated() -> Log:
    """A log that goes on under its second key; its ledger has three entries."""
    log = Log(founded())
    log.start()
    log.grow(300)
    log.book.add([Generate(generation="log.2", parent=None), Activate(generation="log.2")], PEOPLE)
    return log


def test_the_log_goes_on_under_its_next_key(bench: Bench) -> None:
    log = rotated()
    bench.look(log, 200)
    log.generation = "log.2"
    bench.look(log, 250)
    assert bench.head.key == "log.2"
    log.generation = "log.1"
    assert bench.refused(CheckpointRefused, log) == (
        "the newest checkpoint is signed by log.1; one signed by the newer log.2 has been seen"
    )


def test_a_suspended_key_signs_no_new_head(bench: Bench) -> None:
    log = rotated()
    log.book.add([Suspend(generation="log.1")], ("ito", "ueda"))
    log.generation = "log.2"
    bench.look(log, 200)
    log.generation = "log.1"
    assert "the newest checkpoint is signed by log.1, which is suspended" in bench.refused(CheckpointRefused, log)


def test_a_key_that_is_only_read_from_may_have_signed(bench: Bench) -> None:
    log = rotated()
    log.book.add([Restrict(generation="log.1")], PEOPLE)
    assert bench.look(log, 200).checkpoint.size == 200


# What it remembers.


def test_a_clock_set_back(bench: Bench, log: Log) -> None:
    """A larger tree with an earlier time would contradict what was signed before."""
    bench.look(log, 900)
    bench.time = NOW - 10
    assert bench.refused(ClockBehind, log) == (
        f"the clock says {NOW - 9}; the last cosignature was made at {NOW + 1}, 10 s later"
    )


def test_a_lost_memory_is_noticed(tmp_path: Path, log: Log) -> None:
    (tmp_path / "state").mkdir()
    witness = Witness(witness_keys(), WitnessState(tmp_path / "state"), log.book.anchor)
    with pytest.raises(WitnessStateUnusable, match="this witness remembers no head"):
        witness.look(Copy(log.write(tmp_path / "copy")))


def test_it_begins_once(bench: Bench, log: Log) -> None:
    bench.look(log, 900)
    witness = Witness(witness_keys(), bench.state, log.book.anchor, begin=True)
    with pytest.raises(WitnessStateUnusable, match="has begun already"):
        witness.look(Copy(log.write(bench.folder / "again")))


def test_a_damaged_memory_stops_it(bench: Bench, log: Log) -> None:
    """Whatever byte of it is altered, and however it is cut short."""
    bench.look(log, 900)
    path = bench.state.folder / "head.json"
    data = path.read_bytes()
    others = [data[:place] + bytes((data[place] ^ 0x20,)) + data[place + 1 :] for place in range(0, len(data), 5)]
    for other in (*others, b"", data[:-1], data + b"\n"):
        path.write_bytes(other)
        with pytest.raises(WitnessStateUnusable, match="head.json: damaged: "):
            bench.state.read()


def test_another_anchor(bench: Bench, log: Log) -> None:
    bench.look(log, 900)
    witness = Witness(witness_keys(), bench.state, "ab" * 32)
    with pytest.raises(WitnessStateUnusable, match=f"what is remembered is of the trust anchor {log.book.anchor}"):
        witness.look(Copy(log.write(bench.folder / "again")))


def test_one_witness_at_a_time(bench: Bench) -> None:
    with (
        locked(bench.state.folder),
        pytest.raises(FolderBusy, match="another process works on it"),
        locked(bench.state.folder),
    ):
        pass


def test_what_is_remembered_is_what_the_log_signed(bench: Bench, log: Log) -> None:
    bench.look(log, 900)
    assert parse_text(notes.parse(bench.head.note.encode()).text) == log.checkpoint(900)


def test_officers_and_oversight_of_the_kit() -> None:
    assert set(PEOPLE) <= {*OFFICERS, "ueda"}
    assert thousand().size == 1000

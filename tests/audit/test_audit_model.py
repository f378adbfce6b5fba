"""Any sequence of writing, crashing, tearing, losing what is derived, pruning: the log is what a plain list is."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import tempfile
from pathlib import Path
from unittest import mock

import pytest
from auditkit import SEGMENT, ceremony, checkpoint, conversion, ledger_loaded, naive_root, open_log, tag
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from appliance.audit import records
from appliance.audit.entries import Item
from appliance.audit.errors import RecordPruned
from appliance.tlog import merkle
from appliance.tlog.tiles import ENTRIES, read_bundle, tile_of


class Machine(RuleBasedStateMachine):
    """``entries`` and ``tags`` are the model; ``hashes`` those of pruned records, too."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp(prefix="audit-model-"))
        self.log = open_log(self.directory)
        self.entries: list[bytes] = []
        self.tags: list[bytes] = []
        self.first = 1
        self.ledger: tuple[int, str] | None = None
        self.ceremony = 0
        self.torn = 0  # bytes behind the last record, there until something is written
        self.chance = random.Random(1)

    def _append(self, items: list[Item]) -> None:
        first = self.log.append(items)
        assert first == len(self.entries) + 1
        self.torn = 0
        for item in items:
            self.entries.append(records.encode(item.record))
            self.tags.append(item.tags)

    @rule(counts=st.lists(st.integers(0, 5), min_size=1, max_size=40))
    def append_conversions(self, counts: list[int]) -> None:
        number = len(self.entries)
        self._append([conversion(str(number), [tag(number * 9 + k) for k in range(count)]) for count in counts])

    @rule(count=st.integers(1, 3 * SEGMENT))
    def append_many(self, count: int) -> None:
        self._append([conversion(f"many {number}", [tag(number)]) for number in range(count)])

    @rule(sequence=st.integers(1, 999))
    def load_ledger(self, sequence: int) -> None:
        self._append([ledger_loaded(sequence)])
        self.ledger = sequence, f"{sequence:064x}"

    @rule(sequence=st.integers(1, 999))
    def hold_ceremony(self, sequence: int) -> None:
        self._append([ceremony(sequence)])
        self.ceremony = sequence

    @rule()
    def sign(self) -> None:
        self.log.store_checkpoint(checkpoint(self.log))

    @rule()
    def reopen(self) -> None:
        self.log.close()
        self._open()

    def _open(self) -> None:
        self.log = open_log(self.directory)
        assert self.log.repaired == self.torn

    @rule(torn=st.binary(max_size=300))
    def crash_in_a_write(self, torn: bytes) -> None:
        self.log._files.close()  # as the kernel would
        with self.log.segments.path(self.log._tail.number).open("ab") as file:
            file.write(torn)
        self.torn += len(torn)
        self._open()

    @rule(name=st.sampled_from(["offsets", "marks.json", "level.0", "level.1", "checkpoint"]))
    def lose(self, name: str) -> None:
        self.log.close()
        path = self.directory / name
        if path.is_dir():
            shutil.rmtree(path)
        elif not name.startswith("level") or self.first == 1:
            path.unlink(missing_ok=True)
        self._open()

    @precondition(lambda self: len(self.entries) > SEGMENT)
    @rule(keep=st.integers(0, 20))
    def prune(self, keep: int) -> None:
        last = records.decode(self.entries[max(0, len(self.entries) - 1 - keep * SEGMENT)])
        first = self.log.expired(last.time)
        if first is not None:
            self._append([Item(records.Pruned(first=first))])
            self.first = first
            assert self.log.prune() == 0
            self.log.store_checkpoint(checkpoint(self.log))
            assert self.log.prune() > 0
            assert self.log.prune() == 0

    @invariant()
    def is_the_model(self) -> None:
        size = len(self.entries)
        assert (self.log.size, self.log.first, self.log.last_ceremony) == (size, self.first, self.ceremony)
        assert self.log.last_ledger == self.ledger
        assert self.log.head() == (size, naive_root(self.entries))
        if not size:
            return
        for record in {1, size, *(self.chance.randint(1, size) for _ in range(4))}:
            self._is_right(record)
        part = self.chance.randint(self.first, size)
        rows = zip(range(part, size + 1), self.entries[part - 1 :], self.tags[part - 1 :], strict=True)
        assert list(self.log.read(part)) == list(rows)

    def _is_right(self, record: int) -> None:
        size, root = self.log.head()
        leaf = merkle.leaf_hash(self.entries[record - 1])
        merkle.verify_inclusion(leaf, record - 1, size, self.log.inclusion(record, size), root)
        old = self.chance.randint(0, size)
        proof = self.log.consistency(old, size)
        merkle.verify_consistency(old, naive_root(self.entries[:old]), size, root, proof)
        tile = tile_of(ENTRIES, (record - 1) // 256, size)
        if record < self.first:
            for ask in (lambda: self.log.entry(record), lambda: self.log.tags(record), lambda: self.log.tile(tile)):
                with pytest.raises(RecordPruned, match=f"pruned; the first that is there is {self.first}"):
                    ask()
        else:
            assert (self.log.entry(record), self.log.tags(record)) == (self.entries[record - 1], self.tags[record - 1])
            start = tile.index * 256
            assert read_bundle(self.log.tile(tile), tile.width) == self.entries[start : start + tile.width]
        hashes = tile_of(0, tile.index, size)
        assert self.log.tile(hashes) == b"".join(
            hashlib.sha256(b"\x00" + entry).digest()
            for entry in self.entries[hashes.index * 256 : hashes.index * 256 + hashes.width]
        )

    def teardown(self) -> None:
        self.log.close()
        shutil.rmtree(self.directory)


def test_the_log_is_what_a_plain_list_is() -> None:
    with mock.patch.object(os, "fsync"), mock.patch.object(os, "fdatasync"):  # no power is cut here
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=60,
                stateful_step_count=15,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )

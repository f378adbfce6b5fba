"""Making logs for oversight's tests: a real ledger with a log key, real records, tiles and signed checkpoints.

A `Log` is what an honest appliance would have; `write` puts it into a folder as an exported copy. The tests then do
to copies what somebody dishonest would.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from ledgerkit import (
    OFFICERS,
    Book,
    approve,
    first_keys,
    log_key,
    make_found,
    make_outcome,
    make_plan,
    results_for,
    seal,
    service_keys,
)

from appliance.audit import records
from appliance.audit.records import Record, tags_digest
from appliance.ledger import canonical, chain
from appliance.ledger.actions import action_name, subject_of
from appliance.ledger.chain import Entry, verify_entries
from appliance.ledger.policy import LogRules, Policy, RoleRule
from appliance.oversight.witness.keys import WitnessKeys
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import merkle, tiles
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.note import Note, Signature
from appliance.tlog.tiles import ENTRIES, TILE_WIDTH, Tile

BEGIN = datetime(2026, 4, 2, 0, 0, 0, tzinfo=UTC)
WITNESS = "oversight.example/witness-1"
HUB = {"role": "hub", "uid": 1001, "gid": 1001, "pid": 4711}


def witness_keys(name: str = WITNESS) -> WitnessKeys:
    """The keys of a witness, the same throughout the process."""
    return _witness_keys(name)


@cache
def _witness_keys(name: str) -> WitnessKeys:
    return WitnessKeys(name, Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate())


def policy(**changes: Any) -> Policy:
    """The hub exchanges between B and E, and may trace people under an order; the portal looks up by B's numbers."""
    hub = RoleRule(
        pairs=(("sspin.B", "sspin.E"), ("sspin.E", "sspin.B"), ("sspin.B", "resident")),
        purposes=("exchange", "tracing"),
        values_per_request=100,
        values_per_stream=1_000_000,
        values_per_minute=10_000,
    )
    nothing = RoleRule(pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=60)
    portal = msgspec.structs.replace(nothing, history=("sspin.B",))
    oversight = msgspec.structs.replace(nothing, log=True, values_per_minute=0)
    witnesses = tuple(str(vkey) for vkey in witness_keys().vkeys)
    rules = {"hub": hub, "portal": portal, "oversight": oversight}
    return Policy(**{"roles": rules, "log": LogRules(witnesses=witnesses), **changes})


@cache
def _founded() -> Book:
    book = Book()
    book.add([make_found(policy=policy())])
    book.add([*first_keys(), *service_keys()], ("ito", "sato", "ueda"))
    return book


def founded() -> Book:
    """A ledger of two entries: genesis, and the first keys, those of the log among them."""
    return _founded().fork()


def rehearsed() -> Book:
    """The same as a rehearsal's ledger."""
    book = Book()
    for actions in ([make_found(policy=policy())], [*first_keys(), *service_keys()]):
        before = book.states[-1]
        plan = make_plan(actions, state=before, rehearsal=True)
        authorization = approve(plan, (*OFFICERS, "ueda"))
        outcome = seal(make_outcome(plan, authorization, results_for(before, plan)))
        book.anchor = book.anchor or chain.anchor_of(canonical.encode(plan))
        book.states.append(chain.verify_entry(before, authorization, outcome, book.anchor).state)
        book.files[chain.authorization_name(plan.sequence)] = authorization
        book.files[chain.outcome_name(plan.sequence)] = outcome
    return book


@dataclass
class Log:
    """A log that grows. ``hashes[0]`` are its leaf hashes, ``hashes[n]`` those of level n."""

    book: Book = field(default_factory=founded)
    name: str = "main"
    generation: str = "log.1"
    entries: list[bytes] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    clock: datetime = BEGIN

    @property
    def origin(self) -> str:
        return f"kagimori/log/{self.book.anchor[:16]}/{self.name}"

    @property
    def size(self) -> int:
        return len(self.entries)

    def fork(self) -> Log:
        """A copy that can grow without this one."""
        return Log(self.book.fork(), self.name, self.generation, list(self.entries), list(self.leaves), self.clock)

    def add(self, record: Record, **changes: Any) -> int:
        """Append a record, with its number and the next time; the number."""
        number = self.size + 1
        self.clock += timedelta(seconds=1)
        whole = {"record": number, "time": self.clock.strftime("%Y-%m-%dT%H:%M:%S.000000Z"), **changes}
        self.append(records.encode(msgspec.structs.replace(record, **whole)))
        return number

    def append(self, entry: bytes) -> None:
        """Append any bytes."""
        self.entries.append(entry)
        self.leaves.append(merkle.leaf_hash(entry))

    def start(self, sequence: int | None = None) -> None:
        """A daemon starts, tells of ceremonies it has not told of, and puts the ledger in force."""
        self.add(records.Start(version="0.1.0", pid=77, roles=("hub", "oversight", "portal")))
        self.load(sequence)

    def load(self, sequence: int | None = None) -> None:
        """The ledger (up to an entry) is put in force."""
        entries = self.verified()[:sequence]
        told = sum(b'"kind":"ceremony"' in entry for entry in self.entries)
        for entry in entries[told:]:
            self.add(ceremony(entry))
        self.add(records.LedgerLoaded(sequence=entries[-1].sequence, head=entries[-1].head))

    def verified(self) -> tuple[Entry, ...]:
        return verify_entries(self.book.files, self.book.anchor)

    def convert(self, count: int = 1, **changes: Any) -> int:
        """A conversion of so many numbers."""
        number = self.size + 1
        fields: dict[str, Any] = {
            **HUB,
            "source": "sspin.B.1",
            "target": "sspin.E.1",
            "purpose": "exchange",
            "reference": f"case-{number}",
            "count": count,
            "converted": count,
            "malformed": 0,
            "unknown": 0,
            "tag_key": "tag.1",
            "tags": tags_digest(number, hashlib.shake_128(number.to_bytes(8, "big")).digest(16 * count)),
        }
        return self.add(records.Conversion(**{**fields, **changes}))

    def stop(self) -> None:
        self.add(records.Stop(reason="SIGTERM"))

    def grow(self, size: int) -> Log:
        """Go on with conversions until there are so many records."""
        while self.size < size:
            self.convert(1 + self.size % 3)
        return self

    def root(self, size: int | None = None) -> bytes:
        size = self.size if size is None else size
        return merkle.root(size, self._subtree)

    def _subtree(self, height: int, index: int) -> bytes:
        hashes = self.leaves[index << height : (index + 1) << height]
        while len(hashes) > 1:
            hashes = merkle.parents(hashes)
        return hashes[0]

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(self.origin, size, self.root(size))

    def note(self, size: int | None = None, lines: Sequence[Signature] = ()) -> bytes:
        """A signed checkpoint, with more signature lines."""
        return sign(self.checkpoint(size), self.generation, lines)

    def cosigned(self, size: int | None = None, time: int = 1_775_100_000, who: str = WITNESS) -> bytes:
        """A signed checkpoint with the cosignatures of a witness."""
        return self.note(size, witness_keys(who).cosign(self.checkpoint(size), time))

    def tile(self, tile: Tile) -> bytes:
        """The bytes of a tile or bundle."""
        first = tile.index * TILE_WIDTH
        if tile.level == ENTRIES:
            return tiles.pack_bundle(self.entries[first : first + tile.width])
        return b"".join(self._subtree(8 * tile.level, index) for index in range(first, first + tile.width))

    def write(self, folder: Path, size: int | None = None, cosigned: int | None = None) -> Path:
        """An exported copy of its first ``size`` records, ``cosigned`` of them co-signed."""
        size = self.size if size is None else size
        for tile in (*tiles.tiles_of(size), *tiles.bundles_of(size)):
            put(folder / tile.path, self.tile(tile))
        for name, data in self.book.files.items():
            put(folder / "ledger" / name, data)
        if cosigned is not None:
            put(folder / "cosigned", self.cosigned(cosigned))
        put(folder / "checkpoint", self.note(size))
        return folder


def sign(checkpoint: Checkpoint, generation: str = "log.1", lines: Sequence[Signature] = ()) -> bytes:
    """A checkpoint signed by a log key."""
    private = log_key(generation)
    key = checkpoints.key(checkpoint.origin, private.public_key().public_bytes_raw())
    note = checkpoints.sign(checkpoint, private.sign, key)
    return notes.render(Note(note.text, (*note.signatures, *lines)))


def ceremony(entry: Entry) -> records.Ceremony:
    """What a daemon records of a ledger entry."""
    return records.Ceremony(
        sequence=entry.sequence,
        head=entry.head,
        title=entry.plan.title,
        actions=tuple(f"{action_name(action)} {subject_of(action)}" for action in entry.plan.actions),
        finished=entry.outcome.finished,
    )


def put(path: Path, data: bytes) -> None:
    """Write a file, its folders made where they are missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@cache
def _thousand() -> Log:
    log = Log()
    log.start()
    log.grow(500)
    log.stop()
    log.start()
    log.grow(999)
    log.stop()
    return log


def thousand() -> Log:
    """A log of 1,000 records: two runs of a daemon, with nothing wrong in it."""
    return _thousand().fork()

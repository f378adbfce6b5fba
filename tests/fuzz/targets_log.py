"""Targets: the audit log, its notes, proofs and tiles."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
from auditkit import conversion, ledger_loaded, mixed
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import strategies as st

from appliance.audit import entries, packing, records
from appliance.audit.records import NotARecord
from appliance.audit.tagindex import entries as tagentries
from appliance.audit.tagindex.runs import Run, RunDamaged, RunWriter, Span
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog import cosignature, merkle, tiles
from appliance.tlog import note as notes
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import ConsistencyInvalid, InclusionInvalid, TlogError
from appliance.tlog.note import COSIGNATURE_ED25519, COSIGNATURE_ML_DSA_44, ED25519, Note, VerifierKey
from tests.fuzz.mutations import any_bytes, changed_json, mutated
from tests.fuzz.target import Target, parsed, require_readable

ORIGIN = "kagimori/log/0123456789abcdef/main"
WITNESS = "oversight.example/witness"
_FOLDER = tempfile.TemporaryDirectory(prefix="fuzz-log-")


def folder(name: str) -> Path:
    path = Path(_FOLDER.name) / name
    path.mkdir(exist_ok=True)
    return path


@cache
def leaves() -> tuple[bytes, ...]:
    """Entries of a small log."""
    items = [*mixed(9), ledger_loaded(3), conversion("事件", [b"t" * 16])]
    return tuple(entries.encode(item, number, entries.now()) for number, item in enumerate(items, 1))


@cache
def tree() -> Callable[[int, int], bytes]:
    """The hash of any perfect subtree of the leaves."""
    hashes = [merkle.leaf_hash(leaf) for leaf in leaves()]

    def subtree(height: int, index: int) -> bytes:
        if height == 0:
            return hashes[index]
        return merkle.node_hash(subtree(height - 1, 2 * index), subtree(height - 1, 2 * index + 1))

    return subtree


@cache
def keys() -> tuple[Ed25519PrivateKey, Ed25519PrivateKey, MLDSA44PrivateKey]:
    """The log's key and the two of a witness."""
    return Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate(), MLDSA44PrivateKey.generate()


@cache
def verifiers() -> tuple[VerifierKey, VerifierKey, VerifierKey]:
    """Their public halves."""
    log, ed25519, ml_dsa = (key.public_key().public_bytes_raw() for key in keys())
    return (
        VerifierKey(ORIGIN, ED25519, log),
        VerifierKey(WITNESS, COSIGNATURE_ED25519, ed25519),
        VerifierKey(WITNESS, COSIGNATURE_ML_DSA_44, ml_dsa),
    )


@cache
def cosigned() -> tuple[bytes, ...]:
    """Two checkpoints of the log, signed and cosigned."""
    log, ed25519, ml_dsa = keys()
    made = []
    for size in (7, len(leaves())):
        checkpoint = Checkpoint(ORIGIN, size, merkle.root(size, tree()))
        signed = checkpoints.sign(checkpoint, log.sign, verifiers()[0])
        both = (
            cosignature.sign_ed25519(ed25519, WITNESS, checkpoint, 1_800_000_000),
            cosignature.sign_ml_dsa_44(ml_dsa, WITNESS, checkpoint, 1_800_000_000),
        )
        made.append(notes.render(Note(signed.text, (*signed.signatures, *both))))
    return tuple(made)


_WORDS = ("\N{EM DASH} ".encode(), b"\n\n", ORIGIN.encode(), WITNESS.encode(), b"+", b"=", b" ", b"\xc2\xa0")


def _note(data: bytes) -> bool:
    return parsed(data, notes.parse, TlogError, notes.render)


def _checkpoint(data: bytes) -> bool:
    """Whatever verifies is a checkpoint that the log signed, and the cosignatures on it are the witness's."""
    log, *witness = verifiers()
    try:
        signed = checkpoints.verify(data, [log], ORIGIN)
    except TlogError as error:
        require_readable(error)
        return False
    original = {notes.parse(known).text: notes.parse(known) for known in cosigned()}
    assert signed.note.text in original, "a checkpoint that the log never signed"
    try:
        found = cosignature.verified(signed.note, signed.checkpoint, witness)
    except TlogError as error:
        require_readable(error)
        return False
    known = original[signed.note.text].signatures
    assert all(one.signature in known for one in found), "a cosignature that nobody made"
    return True


def _vkey(text: str) -> bool:
    return parsed(text, VerifierKey.parse, TlogError, str)


def _vkeys() -> st.SearchStrategy[str]:
    spoilt = any_bytes([str(key).encode() for key in verifiers()], (b"+", b" ", b"=", b"\xc2\xa0"))
    return spoilt.map(lambda data: data.decode("utf-8", "surrogateescape"))


def _tile_path(path: str) -> bool:
    return parsed(path, tiles.parse_path, TlogError, lambda tile: tile.path)


def _tile_paths() -> st.SearchStrategy[str]:
    known = (b"tile/0/000", b"tile/entries/x001/067.p/5", b"tile/63/x999/x999/x999/x999/x999/x999/999.p/255")
    return any_bytes(known, (b"x", b"/", b".p/", b"0", b"256", "٣".encode())).map(
        lambda data: data.decode("utf-8", "replace")
    )


def _bundle(asked: tuple[bytes, int]) -> bool:
    data, width = asked
    return parsed(data, lambda given: tiles.read_bundle(given, width), TlogError, tiles.pack_bundle)


# --- proofs -----------------------------------------------------------------------------------------------------------


@st.composite
def _proofs(draw: st.DrawFn) -> tuple[str, int, int, bytes]:
    """The kind of a proof, its two numbers, and its hashes one after the other, spoilt."""
    size = draw(st.integers(1, len(leaves())))
    if draw(st.booleans()):
        kind, number = "inclusion", draw(st.integers(0, size - 1))
        proof = merkle.inclusion_proof(number, size, tree())
    else:
        kind, number = "consistency", draw(st.integers(1, size))
        proof = merkle.consistency_proof(number, size, tree())
    shift = draw(st.sampled_from((0, 0, 0, -1, 1)))
    return kind, number + shift, size, draw(mutated((b"".join(proof),), most=2))


def _proof(asked: tuple[str, int, int, bytes]) -> bool:
    """Only the right proof of the right thing is accepted, in whatever way it was spoilt."""
    kind, number, size, data = asked
    proof = [data[at : at + 32] for at in range(0, len(data), 32)]
    root = merkle.root(size, tree())
    try:
        if kind == "inclusion":
            leaf = merkle.leaf_hash(leaves()[number]) if 0 <= number < len(leaves()) else b"\0" * 32
            merkle.verify_inclusion(leaf, number, size, proof, root)
            right = merkle.inclusion_proof(number, size, tree())
        else:
            old = merkle.root(number, tree()) if 0 <= number <= len(leaves()) else b"\0" * 32
            merkle.verify_consistency(number, old, size, root, proof)
            right = merkle.consistency_proof(number, size, tree()) if number else ()
    except (InclusionInvalid, ConsistencyInvalid) as error:
        require_readable(error)
        return False
    assert proof == list(right), "another proof than the one there is was accepted"
    return True


# --- records and their packing ----------------------------------------------------------------------------------------


def _record(data: bytes) -> bool:
    return parsed(data, records.decode, NotARecord, records.encode)


def _packed() -> st.SearchStrategy[bytes]:
    frames = b"".join(packing.pack(leaves(), [b"t" * 16 * (number % 3) for number in range(len(leaves()))]))
    return any_bytes((frames,))


def _packing(data: bytes) -> bool:
    """Frames read in batches of any size, or one by one, are the same, and are the bytes that they were read from."""
    read = lambda length, offset: data[offset : offset + length]  # noqa: E731
    whole = [
        (entry, tag)
        for batch in packing.batches(read, 0, len(data))
        for entry, tag in zip(batch.entries, batch.tags, strict=True)
    ]
    small = [
        (entry, tag)
        for batch in packing.batches(read, 0, len(data), 100)
        for entry, tag in zip(batch.entries, batch.tags, strict=True)
    ]
    assert small == whole
    packed = b"".join(packing.pack([entry for entry, _ in whole], [tag for _, tag in whole]))
    assert data.startswith(packed)
    walked = [framed for framed in packing.walk(read, 0, len(data)) if framed.end <= len(data)]
    assert [framed.entry for framed in walked] == [entry for entry, _ in whole]
    return len(packed) == len(data)


@cache
def _run_bytes() -> tuple[Path, bytes, list[list[int]]]:
    """A run's file, what is in it, and its entries by bucket, in any order."""
    rng = np.random.default_rng(7)
    keys_, numbers = rng.integers(0, 2**64, 300, np.uint64), np.arange(1, 301, dtype=np.uint64)
    entries_, counts = tagentries.in_buckets(keys_, numbers)
    writer = RunWriter(folder("runs"), Span(1, 300))
    writer.write(entries_)
    run = writer.finish(counts, tagentries.bucket_sums(entries_, counts))
    return run.path, run.path.read_bytes(), _buckets(run)


def _buckets(run: Run) -> list[list[int]]:
    filled = [number for number, count in enumerate(run.counts.tolist()) if count]
    return [sorted(int(one) for piece in run.pieces(number) for one in piece) for number in filled]


def _runs(data: bytes) -> bool:
    """A run that was changed in any way is damaged when it is opened, or when the changed part is read."""
    path, original, known = _run_bytes()
    path.write_bytes(data)
    try:
        found = _buckets(Run.open(path))
    except RunDamaged as error:
        assert str(error)
        return False
    finally:
        path.write_bytes(original)
    assert found == known, "a run says something else than was written"
    return True


def _run_inputs() -> st.SearchStrategy[bytes]:
    _, original, _ = _run_bytes()
    head, tail = original[:200], original[-2600:]
    spoilt_head = mutated((head,)).map(lambda data: data + original[200:])
    spoilt_tail = mutated((tail,)).map(lambda data: original[:-2600] + data)
    return spoilt_head | spoilt_tail | mutated((original,)) | st.binary(max_size=100)


TARGETS = (
    Target("note", lambda: any_bytes(cosigned(), _WORDS), _note),
    Target("checkpoint, cosignatures", lambda: any_bytes(cosigned(), _WORDS), _checkpoint),
    Target("verifier key", _vkeys, _vkey),
    Target("tile path", _tile_paths, _tile_path),
    Target("entry bundle", lambda: st.tuples(any_bytes((tiles.pack_bundle(leaves()),)), st.integers(1, 12)), _bundle),
    Target("Merkle proof", _proofs, _proof),
    Target("audit record", lambda: changed_json(leaves()) | any_bytes(leaves()), _record),
    Target("packed entries", _packed, _packing),
    Target("run of the tag index", _run_inputs, _runs),
)

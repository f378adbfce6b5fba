"""Runs in the judges' own virtual environment (tests/judgekit.py): asks aics-tlog and tlog-scales.

One question a line on stdin, one answer a line on stdout, both JSON. Bytes are hexadecimal. A
question names a function below; the answer is "ok", or why not. Nothing of Kagimori is imported.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import aics_tlog
from aics_tlog.tiles import FileSystemTileReader
from cryptography.exceptions import InvalidSignature
from tlog_scales.backend import LocalBackend
from tlog_scales.reader import TilesReader
from tlog_scales.signing import Vkey
from tlog_scales.tiles import leaf_hash
from tlog_scales.tlog import (
    Checkpoint,
    ConsistencyProof,
    ConsistencyProofInvalid,
    InclusionProof,
    InclusionProofInvalid,
)

OK = "ok"


def _bytes(hexadecimal: list[str]) -> list[bytes]:
    return [bytes.fromhex(one) for one in hexadecimal]


# --- aics-tlog -----------------------------------------------------------------------------------


def aics_checkpoint(note: str, origin: str, log_key: str, witnesses: list[str]) -> str:
    """The log's signature, and a cosignature of every witness."""
    keys = [aics_tlog.parse_vkey(vkey) for vkey in witnesses]
    parsed = aics_tlog.parse_note(note)
    key = aics_tlog.parse_vkey(log_key)
    result = aics_tlog.verify_checkpoint(parsed, key, keys, len(keys), expected_origin=origin)
    return OK if result.ok else str(result.error)


def aics_inclusion(leaf: str, index: int, size: int, proof: list[str], root: str) -> str:
    shown = aics_tlog.verify_inclusion(bytes.fromhex(leaf), index, size, _bytes(proof), bytes.fromhex(root))
    return OK if shown else "inclusion is not shown"


def aics_consistency(old: int, old_root: str, new: int, new_root: str, proof: list[str]) -> str:
    roots = bytes.fromhex(old_root), bytes.fromhex(new_root)
    shown = aics_tlog.verify_consistency(old, new, *roots, _bytes(proof))
    return OK if shown else "consistency is not shown"


def aics_copy(folder: str, origin: str, log_key: str, witnesses: list[str]) -> str:
    """The checkpoint, and every tile and bundle below its root."""
    note = (Path(folder) / "checkpoint").read_text(encoding="utf-8")
    said = aics_checkpoint(note, origin, log_key, [key for key in witnesses if _kind(key) == 4])
    checkpoint = aics_tlog.parse_checkpoint(aics_tlog.parse_note(note).text)
    report = aics_tlog.audit_tiles(FileSystemTileReader(folder), checkpoint.size, checkpoint.root)
    return said if report.size == checkpoint.size else "the audit saw another size"


def aics_grown(folder: str, older: str) -> str:
    old = aics_tlog.parse_checkpoint(aics_tlog.parse_note(older).text)
    note = (Path(folder) / "checkpoint").read_text(encoding="utf-8")
    new = aics_tlog.parse_checkpoint(aics_tlog.parse_note(note).text)
    proof = aics_tlog.consistency_proof_from_tiles(FileSystemTileReader(folder), old.size, new.size)
    shown = aics_tlog.verify_consistency(old.size, new.size, old.root, new.root, proof)
    return OK if shown else "consistency is not shown"


def aics_tree(entries: list[str], pairs: list[list[int]]) -> dict[str, Any]:
    """A tree that it builds itself from entries: its root, every inclusion proof, some consistency proofs."""
    tree = aics_tlog.MerkleTree(_bytes(entries))
    return {
        "root": tree.root().hex(),
        "inclusion": [[one.hex() for one in tree.inclusion_proof(index)] for index in range(len(entries))],
        "consistency": [[one.hex() for one in tree.consistency_proof(*pair)] for pair in pairs],
    }


def aics_tiles(folder: str, entries: list[str]) -> list[str]:
    """Writes the tiles of a log; the paths written."""
    return sorted(aics_tlog.tiles.write_tiles(_bytes(entries), folder))


def aics_sign(seed: str, origin: str, size: int, root: str, witness: str, time: int) -> dict[str, str]:
    """A checkpoint signed, and cosigned by a witness with the same key; with both vkeys."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed))
    note = aics_tlog.sign_checkpoint(aics_tlog.Checkpoint(origin, size, bytes.fromhex(root)), private, origin)
    _, line = aics_tlog.sign_cosignature(private, witness, time, origin, size, bytes.fromhex(root))
    both = aics_tlog.Note(text=note.text, signatures=(*note.signatures, line))
    log_key = aics_tlog.vkey_from_ed25519(origin, private.public_key())
    witness_key = aics_tlog.cosignature_vkey(witness, private.public_key())
    return {"note": both.to_bytes().decode(), "log": str_vkey(log_key), "witness": str_vkey(witness_key)}


def str_vkey(key: Any) -> str:
    return aics_tlog.format_vkey(key)


# --- tlog-scales ---------------------------------------------------------------------------------


def scales_checkpoint(note: str, origin: str, log_key: str, witnesses: list[str]) -> str:
    checkpoint = Checkpoint.from_text(note)
    for vkey in (log_key, *witnesses):
        try:
            checkpoint.verify(Vkey.from_string(vkey))
        except InvalidSignature:
            return f"the signature of {vkey.split('+')[0]} is wrong"
        except RuntimeError as error:
            return str(error)
    return OK if checkpoint.origin == origin else f"the origin is {checkpoint.origin}"


def scales_inclusion(leaf: str, index: int, size: int, proof: list[str], root: str) -> str:
    try:
        InclusionProof(index, size, _bytes(proof)).check(bytes.fromhex(leaf), bytes.fromhex(root))
    except InclusionProofInvalid as error:
        return str(error)
    return OK


def scales_consistency(old: int, old_root: str, new: int, new_root: str, proof: list[str]) -> str:
    try:
        ConsistencyProof(old, new, _bytes(proof)).check(bytes.fromhex(old_root), bytes.fromhex(new_root))
    except ConsistencyProofInvalid as error:
        return str(error)
    return OK


def scales_copy(folder: str, origin: str, log_key: str, witnesses: list[str]) -> str:
    """The checkpoint, the root out of the tiles, and every entry by a proof made of the tiles."""
    reader = TilesReader(LocalBackend(Path(folder)))
    checkpoint = reader.get_checkpoint()
    if reader.calculate_root_hash() != checkpoint.root_hash:
        return "the tiles have another root"
    for index in range(checkpoint.size):
        proof = reader.get_inclusion_proof(index, checkpoint.size)
        proof.check(leaf_hash(reader.get_entry(index)), checkpoint.root_hash)
    return scales_checkpoint((Path(folder) / "checkpoint").read_text(encoding="utf-8"), origin, log_key, witnesses)


def scales_grown(folder: str, older: str) -> str:
    reader = TilesReader(LocalBackend(Path(folder)))
    old, new = Checkpoint.from_text(older), reader.get_checkpoint()
    reader.get_consistency_proof(old.size, new.size).check(old.root_hash, new.root_hash)
    return OK


def scales_sign(seed: str, origin: str, size: int, root: str, witness: str) -> dict[str, str]:
    """A checkpoint signed with Ed25519 and cosigned with ML-DSA-44, at the present time; with both vkeys."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
    from tlog_scales.signing import MLDSA44CosignatureSigner, PlainEd25519Signer

    log = PlainEd25519Signer(origin, Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    cosigner = MLDSA44CosignatureSigner(witness, MLDSA44PrivateKey.from_seed_bytes(bytes.fromhex(seed)))
    note = Checkpoint.make_signed(origin, size, bytes.fromhex(root), [log, cosigner]).serialize()
    return {"note": note, "log": log.vkey.serialize(), "witness": cosigner.vkey.serialize()}


def _kind(vkey: str) -> int:
    return Vkey.from_string(vkey).sig_type


def _answer(question: dict[str, Any]) -> Any:
    asked = globals()[question.pop("ask").replace(".", "_")]
    try:
        return asked(**question)
    except Exception as error:  # a judge's own way to say no
        return f"{type(error).__name__}: {error}"


for line in sys.stdin:
    print(json.dumps(_answer(json.loads(line))), flush=True)

"""Checkpoints: what a log says of itself, signed — so many records, this root (C2SP tlog-checkpoint)."""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from appliance.tlog import note as notes
from appliance.tlog.errors import CheckpointMalformed, OriginMismatch
from appliance.tlog.merkle import EMPTY_ROOT, HASH_BYTES
from appliance.tlog.note import ED25519, Note, Signature, VerifierKey

LARGEST_SIZE = 2**63 - 1  # leaves

_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A log's ``origin``, its ``size`` in records, and the root of the tree of that size (32 bytes).

    Raises:
        CheckpointMalformed: no checkpoint can say that.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= LARGEST_SIZE or len(self.root) != HASH_BYTES:
            raise CheckpointMalformed(f"a checkpoint's size is 0 to 2**63 - 1, its root has {HASH_BYTES} bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointMalformed("the empty log has one root only, the SHA-256 of nothing")
        if any(not line or not line.isprintable() for line in (self.origin, *self.extensions)):
            raise CheckpointMalformed("a checkpoint's origin is one line of printable text, not empty")

    @property
    def text(self) -> str:
        """The lines that are signed, each ended by a newline."""
        lines = (self.origin, str(self.size), b64encode(self.root).decode("ascii"), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Signed:
    """A checkpoint, the note that it came in, and the key of the log whose signature on it was verified."""

    checkpoint: Checkpoint
    note: Note
    key: VerifierKey


def key(origin: str, public: bytes) -> VerifierKey:
    """The verifier key of a log whose raw Ed25519 public key has these 32 bytes; its name is the origin.

    Raises:
        VerifierKeyInvalid: the origin cannot be a key's name, or not 32 bytes.
    """
    return VerifierKey(origin, ED25519, public)


def parse_text(text: str, *, extensions: bool = False) -> Checkpoint:
    """The checkpoint in a note's text. It is worth nothing before a signature on it was verified.

    Args:
        text: three lines: origin, size, root.
        extensions: whether further lines are read, and kept. Kagimori's logs never write any.

    Raises:
        CheckpointMalformed: not the one form of a checkpoint.
    """
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1]:
        raise CheckpointMalformed("a checkpoint has three lines: origin, size, root")
    if len(lines) > 4 and not extensions:
        raise CheckpointMalformed("the checkpoint goes on after its root; extension lines are not accepted here")
    checkpoint = Checkpoint(lines[0], _size(lines[1]), _root(lines[2]), tuple(lines[3:-1]))
    if checkpoint.text != text:
        raise CheckpointMalformed("the checkpoint is not in its one form")
    return checkpoint


def verify(data: bytes, keys: Iterable[VerifierKey], origin: str, *, extensions: bool = False) -> Signed:
    """The checkpoint of the log ``origin``, signed by at least one of its keys.

    Every signature in the name of one of the keys must be right; those of others are not looked at.

    Args:
        data: a signed note.
        keys: the log's keys, of every generation that may have signed (type Ed25519).
        origin: the log's own name; no other log's checkpoint is accepted.
        extensions: as for `parse_text`.

    Raises:
        NoteMalformed: not a signed note.
        SignerUnknown: none of the keys signed it.
        SignatureInvalid: a signature in the name of one of the keys is not by that key.
        CheckpointMalformed: signed, but not a checkpoint.
        OriginMismatch: another log's.
    """
    note = notes.parse(data)
    signer = notes.verify(note, keys)
    checkpoint = parse_text(note.text, extensions=extensions)
    if checkpoint.origin != origin:
        raise OriginMismatch(f"the checkpoint is of the log {checkpoint.origin}, not of {origin}")
    return Signed(checkpoint, note, signer)


def sign(checkpoint: Checkpoint, sign: Callable[[bytes], bytes], key: VerifierKey) -> Note:
    """The checkpoint signed by its log, and the signature verified at once.

    Args:
        checkpoint: what to sign.
        sign: gives the Ed25519 signature (64 bytes) of a message.
        key: the public half; its name is the checkpoint's origin.

    Raises:
        OriginMismatch: the key is named after another log.
        SignatureInvalid: what ``sign`` gave is not a signature by that key.
    """
    if key.name != checkpoint.origin:
        raise OriginMismatch(f"the key {key.name} does not sign for the log {checkpoint.origin}")
    text = checkpoint.text
    signature = Signature(key.name, key.key_id, sign(text.encode()))
    notes.verify_signature(text, signature, key)
    return Note(text, (signature,))


def _size(line: str) -> int:
    if _SIZE.fullmatch(line) is None:
        raise CheckpointMalformed("a checkpoint's size is a decimal number without leading zeros")
    return int(line)


def _root(line: str) -> bytes:
    try:
        return b64decode(line, validate=True)
    except (binascii.Error, ValueError):
        raise CheckpointMalformed("a checkpoint's root is plain base64") from None

"""Signed notes and the keys that verify them: the text forms of C2SP signed-note.

Parsing verifies nothing, and the text of a note means nothing before a signature of a known key on
it was verified. One spelling only is accepted for a note and for a key, so that equal things are
equal bytes. Cosignatures, which are lines of a note as well, are verified in `cosignature`.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.tlog.errors import NoteMalformed, SignatureInvalid, SignerUnknown, TlogError, VerifierKeyInvalid

ED25519: Final = 0x01
COSIGNATURE_ED25519: Final = 0x04
COSIGNATURE_ML_DSA_44: Final = 0x06
KINDS: Final = {  # signature type -> what it is called, bytes of its public key
    ED25519: ("Ed25519", 32),
    COSIGNATURE_ED25519: ("Ed25519 cosignature", 32),
    COSIGNATURE_ML_DSA_44: ("ML-DSA-44 cosignature", 1312),
}

MAXIMUM_SIZE = 1_000_000  # bytes of a note
MOST_SIGNATURES = 100
KEY_ID_BYTES = 4

_FIELD = 2**255 - 19
_EIGHTH = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
_SMALL_ORDER = {0, 1, _FIELD - 1, _EIGHTH, _FIELD - _EIGHTH}  # y of the eight points of edwards25519 of order 1 to 8

_DASH = "\N{EM DASH} "
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NOT_IN_NAME = re.compile(r"[\x00-\x1f\s+\ud800-\udfff]")  # also no half of a character, which UTF-8 cannot write


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line: the key's name, its ID (4 bytes), and what the key's kind defines (``data``)."""

    name: str
    key_id: bytes
    data: bytes

    @property
    def line(self) -> str:
        """The line, without its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.data).decode('ascii')}"

    def claims(self, key: VerifierKey) -> bool:
        """Whether the line says that it is by that key. Whether it is, only verifying tells."""
        return self.name == key.name and self.key_id == key.key_id


@dataclass(frozen=True, slots=True)
class Note:
    """A text, ending in a newline, and its signatures: at least one."""

    text: str
    signatures: tuple[Signature, ...]


def parse(data: bytes) -> Note:
    """The note in those bytes; nothing is verified.

    Raises:
        NoteMalformed: too large, or not the one form of a signed note.
    """
    text, separator, lines = _decoded(data).rpartition("\n\n")
    if not separator or not lines.endswith("\n"):
        raise NoteMalformed("a note is a text, an empty line, and signature lines, each ended by a newline")
    signed = lines[:-1].split("\n")
    if len(signed) > MOST_SIGNATURES:
        raise NoteMalformed(f"the note has {len(signed)} signatures; at most {MOST_SIGNATURES} are read")
    return Note(text + "\n", tuple(_signature(line) for line in signed))


def render(note: Note) -> bytes:
    """The bytes of a note.

    Raises:
        NoteMalformed: they would not be read as that note again.
    """
    lines = "".join(f"{signature.line}\n" for signature in note.signatures)
    try:
        data = f"{note.text}\n{lines}".encode()
    except UnicodeEncodeError:
        raise NoteMalformed("the text of the note is not Unicode") from None
    if parse(data) != note:
        raise NoteMalformed("the text or the signatures do not make a note")
    return data


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name it signs by and the kind of its signatures ("vkey").

    Raises:
        VerifierKeyInvalid: an impossible name, an unknown kind, or not as many bytes as its kind has.
    """

    name: str
    kind: int
    public: bytes

    def __post_init__(self) -> None:
        _require_name(self.name, VerifierKeyInvalid)
        if self.kind not in KINDS:
            raise VerifierKeyInvalid(f"verifier key {self.name}: signature type {self.kind:#04x} is not known here")
        kind, length = KINDS[self.kind]
        if len(self.public) != length:
            raise VerifierKeyInvalid(f"verifier key {self.name}: a key of type {kind} has {length} bytes")
        if self.kind != COSIGNATURE_ML_DSA_44 and _is_weak(self.public):
            raise VerifierKeyInvalid(f"verifier key {self.name}: a point of small order, for which anybody can sign")

    @classmethod
    def parse(cls, vkey: str) -> VerifierKey:
        """The key in ``<name>+<key ID in hex>+<base64 of type and public key>``.

        Raises:
            VerifierKeyInvalid: not the one spelling of a verifier key, or its ID is not that key's.
        """
        name, _, rest = vkey.partition("+")
        stated, _, encoded = rest.partition("+")
        material = _base64(encoded, VerifierKeyInvalid, "a verifier key is <name>+<key ID>+<base64 of type and key>")
        key = cls(name, material[0], material[1:])
        if stated != key.key_id.hex():
            raise VerifierKeyInvalid(f"verifier key {name}: the key ID must be {key.key_id.hex()}; a part was changed")
        return key

    @property
    def key_id(self) -> bytes:
        """4 bytes: together with the name they say whose signature a line is."""
        return sha256(self.name.encode() + b"\n" + self._material).digest()[:KEY_ID_BYTES]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{b64encode(self._material).decode('ascii')}"

    @property
    def _material(self) -> bytes:
        return bytes((self.kind,)) + self.public


def verify(note: Note, keys: Iterable[VerifierKey]) -> VerifierKey:
    """The key that signed the note: the first line's, if several of ``keys`` did.

    Every line in the name of one of the keys must be right; lines of others are not looked at.

    Raises:
        SignerUnknown: none of the keys signed it.
        SignatureInvalid: a line in the name of one of the keys is not by that key.
        VerifierKeyInvalid: a key that the note names is of a kind that does not sign notes.
    """
    known = tuple(keys)
    claimed = [(signature, key) for signature in note.signatures for key in known if signature.claims(key)]
    if not claimed:
        raise SignerUnknown("the note is not signed by any key that is known here")
    for signature, key in claimed:
        verify_signature(note.text, signature, key)
    return claimed[0][1]


def verify_signature(text: str, signature: Signature, key: VerifierKey) -> None:
    """Check one line against the text: RFC 8032 over the text itself (C2SP signed-note, "Ed25519 signatures").

    Raises:
        SignatureInvalid: not that key's signature on that text.
        VerifierKeyInvalid: a key of another kind than Ed25519 (0x01).
    """
    if key.kind != ED25519:
        raise VerifierKeyInvalid(f"verifier key {key.name}: notes are signed with a key of type {ED25519:#04x}")
    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature.data, text.encode())
    except InvalidSignature:
        raise SignatureInvalid(f"the signature of {key.name} does not fit the note's text and the key") from None


def _is_weak(public: bytes) -> bool:
    """Whether an Ed25519 key is one of the eight points for which a signature can be made without a private key."""
    return (int.from_bytes(public, "little") & (1 << 255) - 1) % _FIELD in _SMALL_ORDER


def _decoded(data: bytes) -> str:
    if len(data) > MAXIMUM_SIZE:
        raise NoteMalformed(f"the note has {len(data)} bytes; at most {MAXIMUM_SIZE} are read")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise NoteMalformed("the note is not UTF-8") from None
    if _CONTROL.search(text):
        raise NoteMalformed("the note holds a control character; only newlines are allowed")
    return text


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH):
        raise NoteMalformed("a signature line begins with an em dash and a space")
    _require_name(name, NoteMalformed)
    blob = _base64(encoded, NoteMalformed, f"the signature of {name} is not plain base64")
    if len(blob) <= KEY_ID_BYTES:
        raise NoteMalformed(f"the signature of {name} is too short")
    return Signature(name, blob[:KEY_ID_BYTES], blob[KEY_ID_BYTES:])


def _require_name(name: str, wrong: type[TlogError]) -> None:
    if not name or _NOT_IN_NAME.search(name):
        raise wrong("a key's name has at least one character, and no space and no plus")


def _base64(text: str, wrong: type[TlogError], message: str) -> bytes:
    """RFC 4648 section 4, not empty, the one spelling only: no line breaks, no stray bits at the end."""
    try:
        data = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise wrong(message) from None
    if not data or b64encode(data).decode("ascii") != text:
        raise wrong(message)
    return data

"""Tokens that trust each other's transport keys, and what an intruder sees of them past the code under test."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pkcs11
from cryptography.hazmat.primitives import serialization
from pkcs11 import MGF, Attribute, Mechanism, ObjectClass
from softhsmkit import PIN

from appliance.token import Token, arrays, so

SO_PIN = "87654321"
OAEP: dict[str, Any] = {
    "mechanism": Mechanism.RSA_PKCS_OAEP,
    "mechanism_param": (Mechanism.SHA_1, MGF.SHA1, None),
}


@dataclass(frozen=True)
class Tokens:
    """An appliance's token trusts the backup token's transport key, and that one the replacement's.

    ``raw_…`` is what an intruder with the library and the login has: a session on the same token.
    """

    appliance: Token
    backup: Token
    replacement: Token
    transport_id: bytes
    replacement_id: bytes
    public_key: bytes
    raw_appliance: pkcs11.Session
    raw_backup: pkcs11.Session

    def backed_up(self, label: str = "spin.1") -> tuple[bytes, bytes, bytes]:
        """A key generated to be backed up, not sealed yet: CKA_ID, check value, wrapped for the backup token."""
        key_id = secrets.token_bytes(16)
        self.appliance.generate_conversion_key(key_id, label, backed_up=True)
        return key_id, self.appliance.check_value(key_id), self.appliance.wrap(key_id, self.transport_id)


@contextmanager
def three_tokens(softhsm: Any, number: int) -> Iterator[Tokens]:
    """The SO of each token is there before its user, as they exclude each other."""
    names = [f"{role}-{number}" for role in ("appliance", "backup", "replacement")]
    serials = [softhsm.init_token(name, PIN, SO_PIN) for name in names]
    ids = [secrets.token_bytes(16) for _ in names]
    with ExitStack() as stack:

        def opened(index: int) -> Token:
            token = Token.open(softhsm.module, label=names[index], serial=serials[index], pin=PIN, writable=True)
            return stack.enter_context(token)

        replacement = opened(2)
        trust(softhsm.module, serials[1], ids[2], replacement.generate_transport_key(ids[2], "transport"))
        backup = opened(1)
        public_key = backup.generate_transport_key(ids[1], "transport")
        trust(softhsm.module, serials[0], ids[1], public_key)
        appliance = opened(0)
        raw = [stack.enter_context(raw_session(softhsm.module, serial)) for serial in serials[:2]]
        yield Tokens(appliance, backup, replacement, ids[1], ids[2], public_key, raw[0], raw[1])


def trust(module: Path, serial: str, key_id: bytes, public_key: bytes, **changes: Any) -> None:
    words: dict[str, Any] = {"label": label_of(module, serial), "serial": serial, "so_pin": SO_PIN, "key_id": key_id}
    so.import_trusted(module, **{**words, "name": "transport of another", "public_key": public_key, **changes})


def label_of(module: Path, serial: str) -> str:
    return str(pkcs11.lib(str(module)).get_token(token_serial=serial.encode()).label)


def raw_session(module: Path, serial: str) -> pkcs11.Session:
    token = pkcs11.lib(str(module)).get_token(token_serial=serial.encode())
    return token.open(rw=True, attribute_mapper=arrays.mapper())


def raw_object(session: pkcs11.Session, kind: ObjectClass, key_id: bytes) -> Any:
    """The one object of a class with a CKA_ID."""
    [found] = list(session.get_objects({Attribute.CLASS: kind, Attribute.ID: key_id}))
    return found


def opened(module: Path, serial: str) -> Token:
    return Token.open(module, label=None, serial=serial, pin=PIN, writable=True)


def info(key: Any) -> bytes:
    return bytes(key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo))

"""The two attributes that are arrays, which python-pkcs11 cannot pack: what a key may be used with, what it opens.

CKA_UNWRAP_TEMPLATE says what an unwrapped key must be. Without it whoever has the PIN and a wrapped key could
unwrap it as a key that is not sensitive, and read it. CKA_ALLOWED_MECHANISMS leaves a transport key OAEP alone,
because a token that also unwraps PKCS #1 v1.5 is an oracle that opens any RSA ciphertext (Bleichenbacher,
CRYPTO '98), and a conversion key AES-ECB alone.
"""

from __future__ import annotations

import ctypes
import struct
from collections.abc import Iterable, Mapping
from typing import ClassVar

from pkcs11 import Attribute, Mechanism
from pkcs11.attributes import AttributeMapper


class _Attribute(ctypes.Structure):
    """CK_ATTRIBUTE (PKCS#11 2.40, section 3.4)."""

    _fields_: ClassVar = [("type", ctypes.c_ulong), ("value", ctypes.c_void_p), ("size", ctypes.c_ulong)]


# The module follows the pointers while it makes the key, so what they point to must outlive every call.
_BOOLS = {value: ctypes.c_ubyte(value) for value in (False, True)}


def _pack_template(template: Mapping[Attribute, bool]) -> bytes:
    rows = [_Attribute(attribute, ctypes.addressof(_BOOLS[value]), 1) for attribute, value in template.items()]
    return bytes((_Attribute * len(rows))(*rows))


def _pack_mechanisms(mechanisms: Iterable[Mechanism]) -> bytes:
    return b"".join(struct.pack("L", mechanism) for mechanism in mechanisms)


def _unpack_mechanisms(packed: bytes) -> tuple[int, ...]:
    return tuple(mechanism for (mechanism,) in struct.iter_unpack("L", packed))


def mapper() -> AttributeMapper:
    """What a session needs to set both; SoftHSM lets only CKA_ALLOWED_MECHANISMS be read back."""
    extended = AttributeMapper()
    extended.register_handler(Attribute.UNWRAP_TEMPLATE, _pack_template, bytes)
    extended.register_handler(Attribute.ALLOWED_MECHANISMS, _pack_mechanisms, _unpack_mechanisms)
    return extended

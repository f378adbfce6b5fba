"""The whole template of every object Kagimori makes, and the attributes that are read back from the token.

Nothing is left to the library's or the token's defaults: python-pkcs11 would switch WRAP, UNWRAP and SIGN
on, and SoftHSM makes keys copyable. After a key is made its attributes are read and compared; what the
token decides itself (LOCAL, ALWAYS_SENSITIVE, …) is compared as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from pkcs11 import Attribute, CertificateType, KeyType, Mechanism, MechanismFlag, ObjectClass
from pkcs11.exceptions import AttributeSensitive, AttributeTypeInvalid, FunctionFailed

from appliance.token.errors import AttributeMismatch

Template = Mapping[Attribute, Any]

KEY_ID_BYTES = 16
AES_KEY_BYTES = 32
CONVERSION_CAPABILITIES = MechanismFlag.ENCRYPT
SIGNING_CAPABILITIES = MechanismFlag.SIGN | MechanismFlag.VERIFY
P256 = bytes.fromhex("06082a8648ce3d030107")  # DER of the OID prime256v1 (RFC 5480, section 2.1.1.1)

_NEVER_LEAVES: Template = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.COPYABLE: False,
    Attribute.MODIFIABLE: False,
}
_ENCRYPTS_ONLY: Template = {
    Attribute.ENCRYPT: True,
    Attribute.DECRYPT: False,
    Attribute.SIGN: False,
    Attribute.VERIFY: False,
    Attribute.WRAP: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
}
_MADE_HERE: Template = {
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
}


def conversion_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """A conversion key: AES-256, encrypts and does nothing else, never leaves the token."""
    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.VALUE_LEN: AES_KEY_BYTES,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **_NEVER_LEAVES,
        **_ENCRYPTS_ONLY,
    }


def generated_conversion_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """What must be read back after a conversion key was generated."""
    made = {**_MADE_HERE, Attribute.KEY_GEN_MECHANISM: Mechanism.AES_KEY_GEN}
    return {**conversion_key(key_id, label), **made}


USABLE_CONVERSION_KEY: Template = {
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.VALUE_LEN: AES_KEY_BYTES,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    **_ENCRYPTS_ONLY,
}
"""What any key must be before it converts, however it came to this token."""


def session_key(value: bytes) -> dict[Attribute, Any]:
    """A key with known bytes for known-answer runs: a session object, gone with the session."""
    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.VALUE: value,
        **_NEVER_LEAVES,
        **_ENCRYPTS_ONLY,
        Attribute.TOKEN: False,
    }


def signing_private_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """The private half of an EC P-256 pair that signs and does nothing else."""
    return {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **_NEVER_LEAVES,
        Attribute.SIGN: True,
        Attribute.DECRYPT: False,
        Attribute.UNWRAP: False,
        Attribute.DERIVE: False,
    }


def generated_signing_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """What must be read back after a signing key was generated."""
    made = {**_MADE_HERE, Attribute.KEY_GEN_MECHANISM: Mechanism.EC_KEY_PAIR_GEN}
    return {**signing_private_key(key_id, label), **made}


def signing_public_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """The public half."""
    return {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.EC_PARAMS: P256,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: False,
        Attribute.COPYABLE: False,
        Attribute.MODIFIABLE: False,
        Attribute.VERIFY: True,
        Attribute.ENCRYPT: False,
        Attribute.WRAP: False,
        Attribute.DERIVE: False,
    }


def certificate(key_id: bytes, label: str, der: bytes, names: Template) -> dict[Attribute, Any]:
    """An X.509 certificate object; ``names``: SUBJECT, ISSUER and SERIAL_NUMBER in DER."""
    return {
        Attribute.CLASS: ObjectClass.CERTIFICATE,
        Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        Attribute.TOKEN: True,
        Attribute.PRIVATE: False,
        Attribute.MODIFIABLE: False,
        Attribute.VALUE: der,
        **names,
    }


_REPORTED = (
    Attribute.CLASS,
    Attribute.KEY_TYPE,
    Attribute.VALUE_LEN,
    Attribute.KEY_GEN_MECHANISM,
    Attribute.LABEL,
    *_NEVER_LEAVES,
    *_ENCRYPTS_ONLY,
    *_MADE_HERE,
)


def read(key: Any, attribute: Attribute) -> Any:
    """One attribute as the token has it; None if it has none, ``unknown`` if no name is known for it."""
    try:
        return key[attribute]
    except (AttributeTypeInvalid, AttributeSensitive, FunctionFailed):
        return None
    except (ValueError, NotImplementedError):  # a value outside the library's enumerations
        return "unknown"


def report(key: Any) -> dict[str, bool | int | str]:
    """The attributes an outcome records: names without CKA_ in lower case, plain values."""
    values = {attribute.name.lower(): _plain(read(key, attribute)) for attribute in _REPORTED}
    return {name: value for name, value in values.items() if value is not None}


def require(key: Any, template: Template, name: str) -> None:
    """Compare what the token has with a template.

    Raises:
        AttributeMismatch: naming the first attribute that differs.
    """
    for attribute, wanted in template.items():
        found = read(key, attribute)
        if found != wanted:
            raise AttributeMismatch(
                f"{name}: attribute {attribute.name.lower()} is {_shown(found)} on the token, must be {_shown(wanted)}",
                "the token does not keep to the template; it must not hold conversion keys",
            )


def _plain(value: Any) -> bool | int | str | None:
    if isinstance(value, Enum):
        return value.name.lower()
    return value if isinstance(value, bool | int | str) else None


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    return "not there" if value is None else str(_plain(value)).lower()

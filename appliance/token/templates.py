"""The whole template of every object Kagimori makes, and what the token must add to it by itself.

Nothing is left to the library's or the token's defaults: python-pkcs11 would switch WRAP, UNWRAP and SIGN
on, and SoftHSM makes keys copyable. After a key is made its attributes are read and compared; what the
token decides itself (LOCAL, ALWAYS_SENSITIVE, …) is compared as well.

Conversion keys and log keys are MODIFIABLE, because they are made under a staging label and relabelled, and no token
freezes a key later. SENSITIVE, EXTRACTABLE, WRAP_WITH_TRUSTED and COPYABLE move one way only all the same, and
ALLOWED_MECHANISMS never does: whoever switches DERIVE on gets no mechanism that would lay bytes of the key
open. What else the user could switch on is looked at each time a key is taken into use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pkcs11 import Attribute, CertificateType, KeyType, Mechanism, MechanismFlag, ObjectClass

Template = Mapping[Attribute, Any]

KEY_ID_BYTES = 16
AES_KEY_BYTES = 32
CONVERSION_CAPABILITIES = MechanismFlag.ENCRYPT
SIGNING_CAPABILITIES = MechanismFlag.SIGN | MechanismFlag.VERIFY
TRANSPORT_CAPABILITIES = MechanismFlag.WRAP | MechanismFlag.UNWRAP
P256 = bytes.fromhex("06082a8648ce3d030107")  # DER of the OID prime256v1 (RFC 5480, section 2.1.1.1)

SECRET: Template = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.COPYABLE: False,
}
_NEVER_LEAVES: Template = {**SECRET, Attribute.EXTRACTABLE: False, Attribute.MODIFIABLE: False}
PUBLIC: Template = {
    Attribute.TOKEN: True,
    Attribute.PRIVATE: False,
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
MADE_HERE: Template = {
    Attribute.ALWAYS_SENSITIVE: True,
    Attribute.NEVER_EXTRACTABLE: True,
    Attribute.LOCAL: True,
}

# --- keys that convert: four kinds, by how they may leave their token ----------------------------

NEVER_EXTRACTABLE: Template = {Attribute.EXTRACTABLE: False, Attribute.WRAP_WITH_TRUSTED: False}
"""Born and buried on one token."""

BACKED_UP: Template = {Attribute.EXTRACTABLE: True, Attribute.WRAP_WITH_TRUSTED: True}
"""May leave under a key that the SO has trusted, until it is sealed."""

BACKUP_COPY: Template = BACKED_UP
"""On a backup token: must be able to go on to the next appliance token. It is never sealed and converts nothing."""

RESTORED: Template = {Attribute.EXTRACTABLE: False, Attribute.WRAP_WITH_TRUSTED: True}
"""Come from a backup token, sealed from the start."""


def conversion_key(key_id: bytes, label: str, kind: Template = NEVER_EXTRACTABLE) -> dict[Attribute, Any]:
    """A conversion key: AES-256, encrypts and does nothing else, leaves the token as its kind says."""
    return {
        Attribute.CLASS: ObjectClass.SECRET_KEY,
        Attribute.KEY_TYPE: KeyType.AES,
        Attribute.VALUE_LEN: AES_KEY_BYTES,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **SECRET,
        **kind,
        Attribute.MODIFIABLE: True,
        Attribute.ALLOWED_MECHANISMS: (Mechanism.AES_ECB,),
        **_ENCRYPTS_ONLY,
    }


def generated_conversion_key(key_id: bytes, label: str, kind: Template = NEVER_EXTRACTABLE) -> dict[Attribute, Any]:
    """What must be read back after a conversion key was generated."""
    return {
        **conversion_key(key_id, label, kind),
        **MADE_HERE,
        Attribute.NEVER_EXTRACTABLE: not kind[Attribute.EXTRACTABLE],
        Attribute.KEY_GEN_MECHANISM: Mechanism.AES_KEY_GEN,
    }


def unwrapped_conversion_key(key_id: bytes, label: str, kind: Template) -> dict[Attribute, Any]:
    """A conversion key to unwrap. The length must not be given (PKCS#11 2.40, table 10, footnote 6)."""
    template = conversion_key(key_id, label, kind)
    del template[Attribute.VALUE_LEN]
    return template


UNWRAPPED: Template = dict.fromkeys(MADE_HERE, False)
"""What an unwrap takes from any key (PKCS#11 2.40, section 5.13: C_UnwrapKey); the ledger knows where it was made."""

USABLE_CONVERSION_KEY: Template = {
    Attribute.KEY_TYPE: KeyType.AES,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    **_ENCRYPTS_ONLY,
}
"""What any key must be before it converts, however it came to this token; see `readback.require_usable`."""


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


# --- keys that sign ------------------------------------------------------------------------------


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
    made = {**MADE_HERE, Attribute.KEY_GEN_MECHANISM: Mechanism.EC_KEY_PAIR_GEN}
    return {**signing_private_key(key_id, label), **made}


def signing_public_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """The public half."""
    return {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.KEY_TYPE: KeyType.EC,
        Attribute.EC_PARAMS: P256,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **PUBLIC,
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


# --- keys that carry others from token to token --------------------------------------------------

USABLE_TRANSPORT_KEY: Template = {
    Attribute.KEY_TYPE: KeyType.RSA,
    **_NEVER_LEAVES,
    Attribute.UNWRAP: True,
    Attribute.DECRYPT: False,
    Attribute.SIGN: False,
    Attribute.SIGN_RECOVER: False,
    Attribute.DERIVE: False,
    Attribute.ALLOWED_MECHANISMS: (Mechanism.RSA_PKCS_OAEP,),
}
"""What the private half must be before it unwraps. What its CKA_UNWRAP_TEMPLATE is cannot be read."""

UNWRAP_TEMPLATE: Mapping[Attribute, bool] = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.WRAP_WITH_TRUSTED: True,
}
"""What a key must be to be unwrapped, whoever unwraps it."""

_WRAPS_ONLY: Template = {
    Attribute.WRAP: True,
    Attribute.ENCRYPT: False,
    Attribute.VERIFY: False,
    Attribute.VERIFY_RECOVER: False,
    Attribute.DERIVE: False,
}
TRUSTED_KEY: Template = {Attribute.KEY_TYPE: KeyType.RSA, Attribute.TRUSTED: True, Attribute.WRAP: True}
"""What a public key must be before anything is wrapped under it."""


def transport_private_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """The private half of an RSA pair that unwraps, only by OAEP and only to keys that stay secret."""
    return {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **USABLE_TRANSPORT_KEY,
        Attribute.UNWRAP_TEMPLATE: UNWRAP_TEMPLATE,
    }


def generated_transport_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """What must be read back after a transport key was generated."""
    made = {**MADE_HERE, Attribute.KEY_GEN_MECHANISM: Mechanism.RSA_PKCS_KEY_PAIR_GEN}
    template = {**transport_private_key(key_id, label), **made}
    del template[Attribute.UNWRAP_TEMPLATE]
    return template


def transport_public_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """The public half, as it is made; on other tokens it counts only when their SO has trusted it."""
    return {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.KEY_TYPE: KeyType.RSA,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **PUBLIC,
        **_WRAPS_ONLY,
    }


def trusted_public_key(key_id: bytes, label: str, numbers: Template) -> dict[Attribute, Any]:
    """Another token's transport key, trusted by the SO; ``numbers``: MODULUS and PUBLIC_EXPONENT."""
    return {**transport_public_key(key_id, label), Attribute.TRUSTED: True, **numbers}


def probe(kind: Template) -> dict[Attribute, Any]:
    """A conversion key of no consequence: a session object that only tries what a token lets happen."""
    return {**unwrapped_conversion_key(b"", "probe", kind), Attribute.TOKEN: False}

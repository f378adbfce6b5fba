"""The whole template of a log key's two halves, and what the token must add to it; see `appliance.token.templates`.

Modifiable like a conversion key, since it is relabelled after it was made. SENSITIVE and EXTRACTABLE move one way only,
and CKA_ALLOWED_MECHANISMS leaves it CKM_EDDSA alone: whoever switches DERIVE or UNWRAP on gets no mechanism for it.
"""

from __future__ import annotations

from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass

from appliance.token import templates

ED25519 = bytes.fromhex("06032b6570")
"""DER of the OID id-Ed25519 (RFC 8410, section 3), one of the two names of the curve (PKCS#11 3.0, section 2.3.1)."""

USABLE_LOG_KEY: templates.Template = {
    Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.SIGN: True,
    Attribute.SIGN_RECOVER: False,
    Attribute.DECRYPT: False,
    Attribute.UNWRAP: False,
    Attribute.DERIVE: False,
    Attribute.ALLOWED_MECHANISMS: (Mechanism.EDDSA,),
}
"""What the private half must be each time before it signs."""


def log_private_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """The private half of an Ed25519 pair that signs and does nothing else, and never leaves the token."""
    return {
        Attribute.CLASS: ObjectClass.PRIVATE_KEY,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **templates.SECRET,
        **templates.NEVER_EXTRACTABLE,
        Attribute.MODIFIABLE: True,
        **USABLE_LOG_KEY,
    }


def generated_log_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """What must be read back after a log key was generated."""
    made = {**templates.MADE_HERE, Attribute.KEY_GEN_MECHANISM: Mechanism.EC_EDWARDS_KEY_PAIR_GEN}
    return {**log_private_key(key_id, label), **made}


def log_public_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """The public half. Nothing relies on it: what counts is the public key that the ledger has."""
    return {
        Attribute.CLASS: ObjectClass.PUBLIC_KEY,
        Attribute.KEY_TYPE: KeyType.EC_EDWARDS,
        Attribute.EC_PARAMS: ED25519,
        Attribute.ID: key_id,
        Attribute.LABEL: label,
        **templates.PUBLIC,
        Attribute.MODIFIABLE: True,
        Attribute.VERIFY: True,
        Attribute.VERIFY_RECOVER: False,
        Attribute.ENCRYPT: False,
        Attribute.WRAP: False,
        Attribute.DERIVE: False,
    }


def generated_log_public_key(key_id: bytes, label: str) -> dict[Attribute, Any]:
    """What must be read back of it. The token may name the curve otherwise; its point shows whether it is this one."""
    template = {**log_public_key(key_id, label), Attribute.LOCAL: True}
    del template[Attribute.EC_PARAMS]
    return template

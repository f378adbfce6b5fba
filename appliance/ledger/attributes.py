"""The rule for conversion keys, on the attributes an outcome says were read back from the token."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from appliance.ledger.errors import AttributesRefused

Value = bool | int | str

# Must be there with exactly these values (names as in PKCS#11, CKA_ left off, in lower case).
REQUIRED: Mapping[str, Value] = MappingProxyType(
    {
        "class": "secret_key",
        "key_type": "aes",
        "value_len": 32,
        "token": True,
        "private": True,
        "sensitive": True,
        "always_sensitive": True,
        "never_extractable": True,
        "local": True,
        "encrypt": True,
        "extractable": False,
        "decrypt": False,
        "sign": False,
        "verify": False,
        "wrap": False,
        "unwrap": False,
        "derive": False,
    }
)
# Not every token knows these; if they are there, they must have these values.
EXPECTED: Mapping[str, Value] = MappingProxyType({"copyable": False, "key_gen_mechanism": "aes_key_gen"})


def require_conversion_key(generation: str, attributes: Mapping[str, Value]) -> None:
    """Refuse a key that could leave its token, do anything but encrypt, or is not AES-256.

    Raises:
        AttributesRefused: naming the generation and the attribute.
    """
    for name, wanted in {**REQUIRED, **EXPECTED}.items():
        told = attributes.get(name)
        if told is None and name in EXPECTED:
            continue
        if type(told) is not type(wanted) or told != wanted:
            raise AttributesRefused(
                f"{generation}: attribute {name} must be {_word(wanted)}, the outcome says {_word(told)}"
            )


def _word(value: Value | None) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case _:
            return repr(value)

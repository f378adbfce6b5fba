"""The rule for conversion keys, on the attributes an outcome says were read back from the token."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from appliance.ledger.errors import AttributesRefused

# Must be there with exactly these values (names as in PKCS#11, CKA_ left off, in lower case).
REQUIRED: Mapping[str, bool] = MappingProxyType(
    {
        "sensitive": True,
        "always_sensitive": True,
        "never_extractable": True,
        "local": True,
        "encrypt": True,
        "extractable": False,
        "decrypt": False,
        "sign": False,
        "wrap": False,
        "unwrap": False,
        "derive": False,
    }
)
# Need not be there, but if they are, with these values.
EXPECTED: Mapping[str, bool] = MappingProxyType({"token": True, "private": True, "verify": False, "copyable": False})


def require_conversion_key(generation: str, attributes: Mapping[str, bool | int | str]) -> None:
    """Refuse a key that could leave its token or do anything but encrypt.

    Raises:
        AttributesRefused: naming the generation and the attribute.
    """
    for name, value in REQUIRED.items():
        if attributes.get(name) is not value:
            said = attributes.get(name, "nothing")
            raise AttributesRefused(f"{generation}: attribute {name} must be {_word(value)}, the outcome says {said}")
    for name, value in EXPECTED.items():
        if name in attributes and attributes[name] is not value:
            raise AttributesRefused(
                f"{generation}: attribute {name} must be {_word(value)}, the outcome says {attributes[name]}"
            )


def _word(value: bool) -> str:
    return str(value).lower()

"""What each kind of key may be able to do, by the attributes an outcome says were read back from its token."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from appliance.ledger.errors import AttributesRefused

Value = bool | int | str

_ENCRYPTS_ONLY: Mapping[str, Value] = {
    "class": "secret_key",
    "key_type": "aes",
    "token": True,
    "private": True,
    "sensitive": True,
    "encrypt": True,
    "decrypt": False,
    "sign": False,
    "verify": False,
    "wrap": False,
    "unwrap": False,
    "derive": False,
}
_MADE_HERE: Mapping[str, Value] = {"value_len": 32, "local": True, "always_sensitive": True}
# What must be there with exactly these values (names as in PKCS#11, CKA_ left off, in lower case), by the way
# a key came to be where it is.
NEVER_EXTRACTABLE: Mapping[str, Value] = MappingProxyType(
    {**_ENCRYPTS_ONLY, **_MADE_HERE, "extractable": False, "never_extractable": True}
)
BACKED_UP: Mapping[str, Value] = MappingProxyType(
    {**_ENCRYPTS_ONLY, **_MADE_HERE, "extractable": False, "wrap_with_trusted": True}
)
COPY: Mapping[str, Value] = MappingProxyType({**_ENCRYPTS_ONLY, "extractable": True, "wrap_with_trusted": True})
RESTORED: Mapping[str, Value] = MappingProxyType({**_ENCRYPTS_ONLY, "extractable": False})
# Not every token knows these; if they are there, they must have these values.
_EXPECTED: Mapping[str, Value] = MappingProxyType({"copyable": False})
_EXPECTED_MADE: Mapping[str, Value] = MappingProxyType({"copyable": False, "key_gen_mechanism": "aes_key_gen"})


def require_conversion_key(
    generation: str, attributes: Mapping[str, Value], required: Mapping[str, Value] = NEVER_EXTRACTABLE
) -> None:
    """Refuse a key that could leave its token, do anything but encrypt, or is not AES-256.

    ``required``: one of the sets above, by how the key came to be where it is.

    Raises:
        AttributesRefused: naming the generation and the attribute.
    """
    _require(generation, attributes, required, _EXPECTED_MADE if "local" in required else _EXPECTED)


TRANSPORT: Mapping[str, Value] = MappingProxyType(
    {
        "class": "private_key",
        "key_type": "rsa",
        "token": True,
        "private": True,
        "sensitive": True,
        "always_sensitive": True,
        "never_extractable": True,
        "local": True,
        "extractable": False,
        "unwrap": True,
        "decrypt": False,
        "sign": False,
        "derive": False,
    }
)


LOG_KEY: Mapping[str, Value] = MappingProxyType(
    {
        "class": "private_key",
        "key_type": "ec_edwards",
        "token": True,
        "private": True,
        "sensitive": True,
        "always_sensitive": True,
        "extractable": False,
        "never_extractable": True,
        "local": True,
        "sign": True,
        "decrypt": False,
        "unwrap": False,
        "derive": False,
    }
)
_EXPECTED_LOG: Mapping[str, Value] = MappingProxyType(
    {"copyable": False, "key_gen_mechanism": "ec_edwards_key_pair_gen"}
)


def require_log_key(generation: str, attributes: Mapping[str, Value]) -> None:
    """Refuse a log key that was not made on its token, could leave it, or do anything but sign.

    Raises:
        AttributesRefused: naming the generation and the attribute.
    """
    _require(generation, attributes, LOG_KEY, _EXPECTED_LOG)


def require_transport_key(token: str, attributes: Mapping[str, Value]) -> None:
    """Refuse a transport key that was not made on its token, could leave it, or do anything but unwrap.

    Raises:
        AttributesRefused: naming the token and the attribute.
    """
    _require(f"transport key of {token}", attributes, TRANSPORT, {})


def _require(
    whose: str, attributes: Mapping[str, Value], required: Mapping[str, Value], expected: Mapping[str, Value]
) -> None:
    """``expected``: what may be missing, but not be otherwise."""
    for name, wanted in {**required, **expected}.items():
        told = attributes.get(name)
        if told is None and name in expected:
            continue
        if type(told) is not type(wanted) or told != wanted:
            raise AttributesRefused(
                f"{whose}: attribute {name} must be {_word(wanted)}, the outcome says {_word(told)}"
            )


def _word(value: Value | None) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return str(value).lower()
        case _:
            return repr(value)

"""What the token says an object is: attributes read back, reported, and compared with a template."""

from __future__ import annotations

from enum import Enum
from typing import Any

from pkcs11 import Attribute
from pkcs11.exceptions import AttributeSensitive, AttributeTypeInvalid, FunctionFailed

from appliance.token import templates
from appliance.token.errors import AttributeMismatch
from appliance.token.templates import AES_KEY_BYTES, Template

_NO_KEEPER = "the token does not keep to the template; it must not hold conversion keys"


def read(key: Any, attribute: Attribute) -> Any:
    """One attribute as the token has it; None if it has none, ``unknown`` if no name is known for it."""
    try:
        return key[attribute]
    except (AttributeTypeInvalid, AttributeSensitive, FunctionFailed):
        return None
    except (ValueError, NotImplementedError):  # a value outside the library's enumerations
        return "unknown"


_REPORTED = (
    Attribute.CLASS,
    Attribute.KEY_TYPE,
    Attribute.VALUE_LEN,
    Attribute.KEY_GEN_MECHANISM,
    Attribute.LABEL,
    Attribute.TOKEN,
    Attribute.PRIVATE,
    Attribute.SENSITIVE,
    Attribute.ALWAYS_SENSITIVE,
    Attribute.EXTRACTABLE,
    Attribute.NEVER_EXTRACTABLE,
    Attribute.WRAP_WITH_TRUSTED,
    Attribute.LOCAL,
    Attribute.COPYABLE,
    Attribute.MODIFIABLE,
    Attribute.ENCRYPT,
    Attribute.DECRYPT,
    Attribute.SIGN,
    Attribute.VERIFY,
    Attribute.WRAP,
    Attribute.UNWRAP,
    Attribute.DERIVE,
)


def report(key: Any) -> dict[str, bool | int | str]:
    """The attributes an outcome records: names without CKA_ in lower case, plain values."""
    values = {attribute.name.lower(): _plain(read(key, attribute)) for attribute in _REPORTED}
    return {name: value for name, value in values.items() if value is not None}


def require(key: Any, template: Template, name: str, hint: str = _NO_KEEPER) -> None:
    """Compare what the token has with a template.

    Raises:
        AttributeMismatch: naming the first attribute that differs.
    """
    for attribute, wanted in template.items():
        found = read(key, attribute)
        if found != wanted:
            raise mismatch(name, attribute, found, _shown(wanted), hint)


def require_usable(key: Any, name: str) -> None:
    """Refuse a key that could do more than encrypt, could leave the token, or is not AES-256.

    SoftHSM tells no length of a key that it unwrapped: 0. Its check value, which its user compares, stands for
    the very bytes, so 0 is accepted of a key that was not made here.

    Raises:
        AttributeMismatch: naming the first attribute that differs.
    """
    require(key, templates.USABLE_CONVERSION_KEY, name)
    length = read(key, Attribute.VALUE_LEN)
    if length == 0 and read(key, Attribute.LOCAL) is False:
        return
    if length != AES_KEY_BYTES:
        raise mismatch(name, Attribute.VALUE_LEN, length, str(AES_KEY_BYTES), _NO_KEEPER)


def mismatch(name: str, attribute: Attribute, found: Any, wanted: str, hint: str) -> AttributeMismatch:
    """What to raise when an attribute is not as it must be."""
    return AttributeMismatch(
        f"{name}: attribute {attribute.name.lower()} is {_shown(found)} on the token, must be {wanted}", hint
    )


def _plain(value: Any) -> bool | int | str | None:
    if isinstance(value, Enum):
        return value.name.lower()
    return value if isinstance(value, bool | int | str) else None


def _shown(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "empty"
    return "not there" if value is None else str(_plain(value)).lower()

"""Which token: a PKCS#11 module loaded, and the one token in it that has a label and serial number.

Labels are not unique in PKCS#11, so two tokens of one label are an error until a serial number decides.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pkcs11
from pkcs11 import PKCS11Error, TokenFlag
from pkcs11.exceptions import TokenNotPresent, TokenNotRecognised

from appliance.token import finalizers
from appliance.token.errors import TokenModuleError, TokenNotFound, asking, code_name


def load(module: Path) -> Any:
    """The module, loaded and initialised (once per process; SoftHSM reads its tokens then).

    Raises:
        TokenModuleError: no such file, not a PKCS#11 module, or it does not start.
    """
    if not module.is_file():
        raise TokenModuleError(f"PKCS#11 module {module}: there is no such file", "name the module's full path")
    finalizers.silence()
    try:
        return pkcs11.lib(str(module))
    except PKCS11Error as error:
        text = str(error)
        reason = text.rpartition(": ")[2] if "while loading" in text else code_name(error)
        raise TokenModuleError(
            f"PKCS#11 module {module}: cannot be used ({reason})", "is it a PKCS#11 module?"
        ) from None


def require_file(module: Path) -> None:
    """Before a PIN is asked for in vain.

    Raises:
        TokenModuleError: no such file.
    """
    if not module.is_file():
        raise TokenModuleError(f"PKCS#11 module {module}: there is no such file", "name the module's full path")


def find(library: Any, label: str | None, serial: str | None) -> pkcs11.Token:
    """The one initialised token with the label and the serial number; None leaves one of them open.

    Raises:
        TokenNotFound: none or several; the message tells what there is.
        TokenUnavailable: a slot cannot be asked.
    """
    if label is None and serial is None:
        raise TokenNotFound("no token is named", "name it by its label, its serial number or both")
    with asking("list the tokens"):
        present = list(_initialised(library))
    fitting = [token for token in present if label in (None, name_of(token)[0]) and serial in (None, name_of(token)[1])]
    wanted = " and ".join(
        f"{what} {value!r}" for what, value in (("label", label), ("serial number", serial)) if value is not None
    )
    if not fitting:
        there = ", ".join(sorted(described(token) for token in present)) or "none"
        raise TokenNotFound(f"no token has {wanted}; present: {there}", "check label, serial number and module")
    if len(fitting) > 1:
        serials = ", ".join(sorted(name_of(token)[1] for token in fitting))
        raise TokenNotFound(
            f"{len(fitting)} tokens have {wanted}, with the serial numbers {serials}", "give the serial"
        )
    return fitting[0]


def name_of(token: pkcs11.Token) -> tuple[str, str]:
    """Label and serial number, without padding."""
    return token.label.strip("\0 "), token.serial.decode("ascii", "backslashreplace").strip("\0 ")


def described(token: pkcs11.Token) -> str:
    """For messages."""
    label, serial = name_of(token)
    return f"token {label!r} (serial {serial})"


def _initialised(library: Any) -> Iterator[pkcs11.Token]:
    for slot in library.get_slots(token_present=True):
        try:
            token = slot.get_token()
        except (TokenNotPresent, TokenNotRecognised):
            continue
        if token.flags & TokenFlag.TOKEN_INITIALIZED:
            yield token

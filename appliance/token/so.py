"""What only the token's security officer (SO) may do: trust another token's transport key.

A conversion key that is to be backed up can be wrapped under trusted keys only, and no user can make one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pkcs11 import Attribute, PKCS11Error

from appliance.token import login, publickeys, slots, templates
from appliance.token.errors import asking
from appliance.token.guard import OWNER
from appliance.token.objects import Objects, Undo
from appliance.token.readback import require


def import_trusted(
    module: Path, *, label: str, serial: str, so_pin: str, key_id: bytes, name: str, public_key: bytes
) -> None:
    """Put a transport key (SubjectPublicKeyInfo, DER) on the token, trusted, under the label ``name``.

    Logs in as SO with one attempt, and out again; the token's user must not be logged in in this process.
    The very same trusted key, there already, is left as it is. The SO does not see private objects, so a
    secret key of the same CKA_ID is not noticed here.

    Raises:
        TransportKeyRefused: not RSA of 3072 bits or more.
        KeyDuplicated: something else has this CKA_ID.
        AttributeMismatch: the token does not trust it; nothing is left there.
        PinWrong, PinLocked, PinNeeded, TokenNotFound, TokenModuleError: as for `Token.open`.
        TokenRefused, TokenUnavailable, WrongThread: see there.
    """
    try:
        numbers = publickeys.rsa_numbers(publickeys.transport_key(public_key))
        opened = _open(module, label, serial, so_pin)
    finally:
        so_pin = ""
    with _logged_in(opened) as objects:
        _put(objects, key_id, templates.trusted_public_key(key_id, name, numbers))


def check_login(module: Path, *, label: str, serial: str, so_pin: str) -> None:
    """Log in as SO with one attempt, and out again: whether the PIN is right, before anything depends on it.

    Raises:
        PinWrong, PinLocked, PinNeeded, TokenNotFound, TokenModuleError: as for `Token.open`.
        TokenRefused, TokenUnavailable, WrongThread: see there.
    """
    try:
        opened = _open(module, label, serial, so_pin)
    finally:
        so_pin = ""
    with _logged_in(opened):
        pass


def _open(module: Path, label: str, serial: str, so_pin: str) -> Objects:
    OWNER.claim()
    try:
        handle = slots.find(slots.load(module), label, serial)
        return Objects(login.log_in(handle, login.SECURITY_OFFICER, so_pin, writable=True), slots.described(handle))
    finally:
        so_pin = ""


def _put(objects: Objects, key_id: bytes, template: templates.Template) -> None:
    if len(objects.search({Attribute.ID: key_id})) == len(objects.search(template)) == 1:
        return
    name = objects.require_unused(key_id)
    with Undo(objects, key_id), asking(f"trust {name}"):
        require(objects.session.create_object(template), template, name)


@contextmanager
def _logged_in(objects: Objects) -> Iterator[Objects]:
    """The SO's objects, and the logging out."""
    try:
        yield objects
    except BaseException:
        with suppress(PKCS11Error):  # the first error is the one to report
            objects.release().close()
        raise
    with asking(f"log out of {objects.described}"):
        objects.release().close()

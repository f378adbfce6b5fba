"""Backup: a key leaves under a key that the SO has trusted, until it is sealed, and comes back as what it was.

The token is its own backup token here: it makes the transport key, its security officer (SO) trusts it, it wraps under
it and unwraps with it. What other trials need is made by the first of them; the sweep removes it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from pkcs11 import MGF, Attribute, Mechanism, ObjectClass, PKCS11Error

from appliance.errors import KagimoriError
from appliance.token import publickeys, so, templates
from appliance.token.errors import CheckValueMismatch, TokenRefused, WrappedKeyRefused, code_name
from appliance.token.readback import read
from appliance.token.transport import OAEP
from appliance.token.trials.bench import Bench, label, new_id
from appliance.token.trials.findings import Differs, Missing, NotTried, refused
from appliance.token.trials.registry import trial

_TRANSPORT = label("transport")
_SHA256 = {"mechanism": Mechanism.RSA_PKCS_OAEP, "mechanism_param": (Mechanism.SHA256, MGF.SHA256, None)}


def _transport(bench: Bench) -> tuple[bytes, bytes]:
    """CKA_ID and public key of the transport pair of this run.

    Raises:
        NotTried: the token made none, which another check tells.
    """
    for one in bench.scratch():
        if one.kind == "private_key" and one.label == _TRANSPORT:
            return one.key_id, bench.token.transport_key(one.key_id)
    raise NotTried("there is no transport key (wrap.transport)")


def _trusted(bench: Bench) -> bytes:
    """The CKA_ID under which the SO has trusted it."""
    so_pin = bench.so_pin()
    if (known := bench.trusted) is not None:
        return known
    key_id, facts = new_id(), bench.token.facts
    _, public = _transport(bench)
    bench.close()  # the SO and the user exclude each other
    so.import_trusted(
        bench.terms.module,
        label=facts.label,
        serial=facts.serial,
        so_pin=so_pin,
        key_id=key_id,
        name=label("trusted"),
        public_key=public,
    )
    bench.trusted = key_id
    return key_id


def _backed_up(bench: Bench) -> bytes:
    key_id = new_id()
    bench.token.generate_conversion_key(key_id, label("backed up"), backed_up=True)
    return key_id


@trial("seal.generate")
def generate(bench: Bench) -> str:
    """A key that may leave under a trusted key alone."""
    key_id = _backed_up(bench)
    bench.drop(key_id)
    return "CKA_EXTRACTABLE and CKA_WRAP_WITH_TRUSTED true, read back"


@trial("seal.seal")
def seal(bench: Bench) -> str:
    """EXTRACTABLE goes from true to false on a key that is there, and it enciphers as before."""
    with bench.stored_key("seal", EXTRACTABLE=True) as (key_id, _):
        before = bench.token.check_value(key_id)
        bench.token.seal(key_id)
        if bench.token.check_value(key_id) != before:
            raise Differs("sealing changed the key")
    return "CKA_EXTRACTABLE set to false and read back; the same check value"


@trial("seal.never-back")
def never_back(bench: Bench) -> str:
    """Nobody unseals."""
    what = "setting CKA_EXTRACTABLE back to true"
    with bench.stored_key("unseal", EXTRACTABLE=True) as (key_id, key):
        bench.token.seal(key_id)
        with refused(what) as seen:
            key[Attribute.EXTRACTABLE] = True
            if read(key, Attribute.EXTRACTABLE) is False:
                return f"{what}: ignored"
        return f"{what}: {seen[0]}"


@trial("seal.trust-kept")
def trust_kept(bench: Bench) -> str:
    """WRAP_WITH_TRUSTED moves one way only: else whoever has the PIN wraps under a key of their own."""
    bench.require_known(Attribute.WRAP_WITH_TRUSTED)
    what = "setting CKA_WRAP_WITH_TRUSTED to false"
    with bench.stored_key("trust", EXTRACTABLE=True, WRAP_WITH_TRUSTED=True) as (_, key):
        with refused(what) as seen:
            key[Attribute.WRAP_WITH_TRUSTED] = False
            if read(key, Attribute.WRAP_WITH_TRUSTED) is True:
                return f"{what}: ignored"
        return f"{what}: {seen[0]}"


@trial("wrap.transport")
def transport(bench: Bench) -> str:
    """The very operation of a ceremony: made, compared, and tried with a key that goes there and back."""
    public = bench.token.generate_transport_key(new_id(), _TRANSPORT)
    size = publickeys.transport_key(public).key_size
    return f"RSA of {size} bits, OAEP alone; a key went there and back, and none came out readable"


@trial("wrap.untrusted-refused")
def untrusted_refused(bench: Bench) -> str:
    """A key that leaves under trusted keys alone does not leave under this one."""
    bench.require_known(Attribute.WRAP_WITH_TRUSTED)
    public = _found(bench, ObjectClass.PUBLIC_KEY, _transport(bench)[0])
    with bench.stored_key("untrusted", EXTRACTABLE=True, WRAP_WITH_TRUSTED=True) as (_, key):
        with refused("C_WrapKey under a key that is not trusted") as seen:
            public.wrap_key(key, **OAEP)
        return f"C_WrapKey under a key that is not trusted: {seen[0]}"


@trial("wrap.user-cannot-trust")
def user_cannot_trust(bench: Bench) -> str:
    """The token's user, who has the PIN that the engine has, trusts nothing."""
    numbers = publickeys.rsa_numbers(publickeys.transport_key(_transport(bench)[1]))
    key_id = new_id()
    template = {**templates.trusted_public_key(key_id, label("by the user"), numbers), Attribute.MODIFIABLE: True}
    told = [_not_trusted(bench, "C_CreateObject", {**template, Attribute.TOKEN: False})]
    try:
        del template[Attribute.TRUSTED]
        stored = bench.session.create_object(template)
        told.append(_not_trusted(bench, "C_SetAttributeValue", {Attribute.TRUSTED: True}, stored))
    finally:
        bench.drop(key_id)
    return "; ".join(told)


def _not_trusted(bench: Bench, function: str, template: templates.Template, stored: Any = None) -> str:
    """Created as a session object: SoftHSM leaves an empty object behind when it refuses to create a stored one."""
    what = f"{function} with CKA_TRUSTED, by the user"
    with refused(what) as seen:
        if stored is None:
            made = bench.session.create_object(template)
        else:
            stored[Attribute.TRUSTED], made = True, stored
        if read(made, Attribute.TRUSTED) is not True:
            return f"{what}: ignored"
    return f"{what}: {seen[0]}"


@trial("wrap.so-trusts")
def so_trusts(bench: Bench) -> str:
    """The very operation of a ceremony."""
    key_id = _trusted(bench)
    bench.token.trusted_key(key_id)
    return "imported by the SO with CKA_TRUSTED, read back by the user"


@trial("wrap.wraps")
def wraps(bench: Bench) -> str:
    """Out under the trusted key."""
    trusted = _trusted(bench)
    key_id = _backed_up(bench)
    try:
        return f"{len(bench.token.wrap(key_id, trusted))} bytes"
    finally:
        bench.drop(key_id)


@trial("wrap.unwraps")
def unwraps(bench: Bench) -> str:
    """And in again: as a copy that can go on, and as a key that is sealed from the start; the same key both times."""
    trusted, private = _trusted(bench), _transport(bench)[0]
    key_id, copies = _backed_up(bench), {new_id(): False, new_id(): True}
    try:
        value, wrapped = bench.token.check_value(key_id), bench.token.wrap(key_id, trusted)
        for copy_id, sealed in copies.items():
            bench.token.unwrap(copy_id, label("copy"), wrapped, private, value, sealed=sealed)
        return "as a copy and as a sealed key; attributes and check value as they must be"
    finally:
        _drop_all(bench, key_id, *copies)


@trial("wrap.altered-refused")
def altered_refused(bench: Bench) -> str:
    """Wrapped bytes that were altered open nothing."""
    trusted, private = _trusted(bench), _transport(bench)[0]
    key_id, copy_id = _backed_up(bench), new_id()
    try:
        value, wrapped = bench.token.check_value(key_id), bytearray(bench.token.wrap(key_id, trusted))
        wrapped[-1] ^= 1
        bench.token.unwrap(copy_id, label("altered"), bytes(wrapped), private, value, sealed=True)
    except (WrappedKeyRefused, CheckValueMismatch) as error:
        return error.message.rpartition(": ")[2]
    finally:
        _drop_all(bench, key_id, copy_id)
    raise Differs("altered wrapped bytes became a key")


@trial("wrap.sealed-refused")
def sealed_refused(bench: Bench) -> str:
    """What is sealed leaves under no key, trusted or not."""
    trusted = _trusted(bench)
    key_id = _backed_up(bench)
    try:
        bench.token.seal(key_id)
        bench.token.wrap(key_id, trusted)
    except TokenRefused as error:
        return error.message.rpartition(": ")[2]
    finally:
        bench.drop(key_id)
    raise Differs("a sealed key was wrapped")


@trial("wrap.oaep-sha256")
def oaep_sha256(bench: Bench) -> str:
    """OAEP with SHA-256; Kagimori uses SHA-1 everywhere, which RFC 8017, appendix B.1, keeps for it."""
    public = _found(bench, ObjectClass.PUBLIC_KEY, _transport(bench)[0])
    key = bench.session_key(EXTRACTABLE=True)
    try:
        return f"{len(public.wrap_key(key, **_SHA256))} bytes"
    except PKCS11Error as error:
        raise Missing(f"C_WrapKey by OAEP with SHA-256: {code_name(error)}") from None
    finally:
        key.destroy()


def _found(bench: Bench, kind: ObjectClass, key_id: bytes) -> Any:
    found = list(bench.session.get_objects({Attribute.CLASS: kind, Attribute.ID: key_id}))
    if len(found) != 1:
        raise NotTried("the transport key is not there")
    return found[0]


def _drop_all(bench: Bench, *key_ids: bytes) -> None:
    for key_id in key_ids:
        with suppress(KagimoriError):  # the sweep tells
            bench.drop(key_id)

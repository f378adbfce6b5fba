"""Conversion keys: whether the token makes them as the template says, tells so, and keeps to it."""

from __future__ import annotations

from typing import Any

from pkcs11 import Attribute, KeyType, Mechanism, PKCS11Error

from appliance.token import features, templates
from appliance.token.readback import read
from appliance.token.trials.bench import Bench, label, new_id
from appliance.token.trials.findings import Differs, Missing, refused
from appliance.token.trials.raw import OK
from appliance.token.trials.registry import TRIALS, Trial, trial

LONGEST_LABEL = 64
_INITIAL_VECTOR = bytes(16)

_READ_BACK: dict[str, tuple[Attribute, Any]] = {
    "key.private": (Attribute.PRIVATE, True),
    "key.sensitive": (Attribute.SENSITIVE, True),
    "key.always-sensitive": (Attribute.ALWAYS_SENSITIVE, True),
    "key.extractable": (Attribute.EXTRACTABLE, False),
    "key.never-extractable": (Attribute.NEVER_EXTRACTABLE, True),
    "key.local": (Attribute.LOCAL, True),
    "key.key-gen-mechanism": (Attribute.KEY_GEN_MECHANISM, Mechanism.AES_KEY_GEN),
    "key.value-len": (Attribute.VALUE_LEN, templates.AES_KEY_BYTES),
    "key.copyable": (Attribute.COPYABLE, False),
    "key.modifiable": (Attribute.MODIFIABLE, True),
    "key.wrap-with-trusted": (Attribute.WRAP_WITH_TRUSTED, False),
    "key.allowed-mechanisms": (Attribute.ALLOWED_MECHANISMS, (Mechanism.AES_ECB,)),
}
_USES = ("ENCRYPT", "DECRYPT", "SIGN", "VERIFY", "WRAP", "UNWRAP", "DERIVE")


def _kept(attribute: Attribute, wanted: Any) -> Trial:
    def look(bench: Bench) -> str:
        bench.require_known(attribute)
        found = read(_shared(bench)[1], attribute)
        if found is None:
            raise Missing(f"CKA_{attribute.name} cannot be read back")
        if found != wanted:
            raise Differs(f"CKA_{attribute.name} is {_shown(found)}, must be {_shown(wanted)}")
        return f"CKA_{attribute.name} reads {_shown(found)}"

    return look


TRIALS.update({name: _kept(*pair) for name, pair in _READ_BACK.items()})


def _shared(bench: Bench) -> tuple[bytes, Any]:
    """One stored key that many trials look at; the sweep removes it."""

    def make() -> tuple[bytes, Any]:
        key_id = new_id()
        template = bench.known(templates.conversion_key(key_id, label("shared"), templates.NEVER_EXTRACTABLE))
        return key_id, features.make(bench.session, template)

    return bench.once("shared key", make)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(f"CKM {mechanism:#x}" for mechanism in value) or "empty"
    return f"CKM_{value.name}" if isinstance(value, Mechanism) else str(value).lower()


@trial("key.generate")
def generate(bench: Bench) -> str:
    """The very operation of a ceremony: made, every attribute compared."""
    if bench.unknown:
        names = ", ".join(f"CKA_{name.name}" for name in bench.unknown)
        raise Missing(f"the template is refused for {names} ({', '.join(sorted(set(bench.unknown.values())))})")
    key_id = new_id()
    try:
        bench.token.generate_conversion_key(key_id, label("generate"))
        return f"made; {len(bench.token.attributes(key_id))} attributes read back as the template has them"
    finally:
        bench.drop(key_id)


@trial("key.encrypts-only")
def encrypts_only(bench: Bench) -> str:
    """Each use of the key reads back as it was set."""
    key = _shared(bench)[1]
    found = {name: read(key, Attribute[name]) for name in _USES}
    wrong = [f"CKA_{name} is {_shown(value)}" for name, value in found.items() if value is not (name == "ENCRYPT")]
    if wrong:
        raise Differs(", ".join(wrong))
    return "CKA_ENCRYPT alone of seven uses"


@trial("key.value-hidden")
def value_hidden(bench: Bench) -> str:
    """CKA_VALUE must not come out."""
    key = _shared(bench)[1]
    with refused("reading CKA_VALUE") as seen:
        value = key[Attribute.VALUE]
        if not value:
            return "CKA_VALUE reads empty"
    return f"reading CKA_VALUE: {seen[0]}"


@trial("key.decrypt-refused")
def decrypt_refused(bench: Bench) -> str:
    """What the key may not do is not begun."""
    return _not_begun(bench, "C_DecryptInit", Mechanism.AES_ECB)


@trial("key.other-mechanism-refused")
def other_mechanism_refused(bench: Bench) -> str:
    """CKA_ALLOWED_MECHANISMS is kept to: with a mechanism that the token has, and the key may not be used with."""
    bench.require_known(Attribute.ALLOWED_MECHANISMS)
    if Mechanism.AES_CBC not in bench.session.token.slot.get_mechanisms():
        return "the token has no CKM_AES_CBC to try it with"
    return _not_begun(bench, "C_EncryptInit", Mechanism.AES_CBC, _INITIAL_VECTOR)


def _not_begun(bench: Bench, function: str, mechanism: Mechanism, parameter: bytes = b"") -> str:
    key = _shared(bench)[1]
    with bench.another_session() as session:
        code = bench.raw.begin(function, session.handle, key.handle, mechanism, parameter)
    if code == OK:
        raise Differs(f"{function} with CKM_{mechanism.name}: not refused")
    return f"{function} with CKM_{mechanism.name}: {code}"


@trial("key.stays-sensitive")
def stays_sensitive(bench: Bench) -> str:
    """SENSITIVE moves one way only."""
    return _not_set(bench, Attribute.SENSITIVE, False)


@trial("key.stays-in")
def stays_in(bench: Bench) -> str:
    """EXTRACTABLE moves one way only."""
    return _not_set(bench, Attribute.EXTRACTABLE, True)


def _not_set(bench: Bench, attribute: Attribute, value: bool) -> str:
    with bench.stored_key("one way") as (_, key):
        what = f"setting CKA_{attribute.name} to {_shown(value)}"
        with refused(what) as seen:
            key[attribute] = value
            if read(key, attribute) is not value:
                return f"{what}: ignored"
        return f"{what}: {seen[0]}"


@trial("key.copy-refused")
def copy_refused(bench: Bench) -> str:
    """CKA_COPYABLE false is kept to."""
    bench.require_known(Attribute.COPYABLE)
    return _not_copied(bench, {})


@trial("key.copy-stays-secret")
def copy_stays_secret(bench: Bench) -> str:
    """A copy must not be less secret than the key."""
    told = [_not_copied(bench, {Attribute.SENSITIVE: False}), _not_copied(bench, {Attribute.EXTRACTABLE: True})]
    return "; ".join(told)


def _not_copied(bench: Bench, changes: templates.Template) -> str:
    key = _shared(bench)[1]
    changed = ", ".join(f"CKA_{name.name} {_shown(value)}" for name, value in changes.items())
    what = f"C_CopyObject{' with ' if changed else ''}{changed}"
    with refused(what) as seen:
        copy = key.copy({Attribute.TOKEN: False, **changes})
        copy.destroy()
    return f"{what}: {seen[0]}"


@trial("key.wrong-template-refused")
def wrong_template_refused(bench: Bench) -> str:
    """A template that contradicts its mechanism makes no key."""
    what = "C_GenerateKey with CKM_AES_KEY_GEN and CKA_KEY_TYPE CKK_DES3"
    with refused(what) as seen:
        bench.session_key(KEY_TYPE=KeyType.DES3).destroy()
    return f"{what}: {seen[0]}"


@trial("key.id-search")
def id_search(bench: Bench) -> str:
    """Each of three keys is found by its own CKA_ID, alone."""
    with bench.stored_key("one") as one, bench.stored_key("two") as two, bench.stored_key("three") as three:
        for key_id, key in (one, two, three):
            found = list(bench.session.get_objects({Attribute.TOKEN: True, Attribute.ID: key_id}))
            if [item.handle for item in found] != [key.handle]:
                raise Differs(f"searched by a CKA_ID, {len(found)} objects were found, or another one")
    if list(bench.session.get_objects({Attribute.ID: new_id()})):
        raise Differs("searched by a CKA_ID that nothing has, something was found")
    return "three keys, each found by its 16 bytes of CKA_ID, alone"


@trial("key.long-label")
def long_label(bench: Bench) -> str:
    """A label of 64 characters is kept whole."""
    with bench.stored_key("long".ljust(LONGEST_LABEL - len(label("")), "x")) as (_, key):
        found = str(read(key, Attribute.LABEL) or "")
    if len(found) != LONGEST_LABEL:
        raise Differs(f"a label of {LONGEST_LABEL} characters reads back with {len(found)}")
    return f"{LONGEST_LABEL} characters kept"


@trial("key.relabel")
def relabel(bench: Bench) -> str:
    """A staging label becomes the key's name."""
    with bench.stored_key("staging") as (key_id, _):
        bench.token.relabel(key_id, label("named"))
        if bench.token.label(key_id) != label("named"):
            raise Differs("the label that was set does not read back")
    return "CKA_LABEL changed and read back"


@trial("key.destroy")
def destroy(bench: Bench) -> str:
    """Removed, and the absence seen from another session as well."""
    with bench.stored_key("destroy") as (key_id, _):
        bench.token.destroy(key_id)
        with bench.another_session() as session:
            if list(session.get_objects({Attribute.ID: key_id})):
                raise Differs("another session still finds a key that was destroyed")
    return "gone, for another session as well"


@trial("key.destroyed-handle")
def destroyed_handle(bench: Bench) -> str:
    """The handle of a key that is gone begins nothing, also when another key was made since."""
    with bench.stored_key("handle") as (_, key):
        handle = key.handle
        key.destroy()
    with bench.stored_key("next") as (_, later), bench.another_session() as session:
        code = bench.raw.begin("C_EncryptInit", session.handle, handle, Mechanism.AES_ECB)
        same = code == OK and later.handle == handle
    if code == OK:
        becomes = "it stands for the key made next" if same else "it begins an operation"
        raise Differs(f"C_EncryptInit with the handle of a destroyed key: {becomes}")
    return f"C_EncryptInit with the handle of a destroyed key: {code}"


@trial("key.destroyed-while-running")
def destroyed_while_running(bench: Bench) -> str:
    """A running operation whose key is destroyed ends, or goes on with the very same key."""
    with bench.stored_key("running") as (key_id, key):
        stream = bench.stream(key_id)
        before = stream(_INITIAL_VECTOR)
        key.destroy()
        try:
            after = stream(_INITIAL_VECTOR)
        except Exception as error:
            if not isinstance(error.__cause__, PKCS11Error):
                raise
            return "the operation ended"
        if after != before:
            raise Differs("the operation went on with other key bytes")
    return "the operation goes on with the same key until it ends"

"""Logging in: one login serves every session of a process, and its end ends them all."""

from __future__ import annotations

from pkcs11 import Attribute, Mechanism

from appliance.token import features, templates
from appliance.token.stream import CHECK_BLOCK
from appliance.token.trials.bench import Bench, label, new_id
from appliance.token.trials.findings import Differs, refused
from appliance.token.trials.registry import trial


@trial("login.shared")
def shared(bench: Bench) -> str:
    """A session that logs nobody in works with private keys, because the process is logged in."""
    with bench.stored_key("shared login") as (key_id, _), bench.another_session() as session:
        found = list(session.get_objects({Attribute.TOKEN: True, Attribute.ID: key_id}))
        if len(found) != 1:
            raise Differs("a second session does not see the private keys, though the process is logged in")
        found[0].encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB)
    return "a second session, opened without a PIN, found and used a private key"


@trial("login.twice")
def twice(bench: Bench) -> str:
    """A second login is refused as such, and does no harm to the first."""
    code = bench.log_in_again()
    bench.token.key_ids()  # the first login still holds
    if code != "CKR_USER_ALREADY_LOGGED_IN":
        raise Differs(f"C_Login a second time: {code}, not CKR_USER_ALREADY_LOGGED_IN")
    return f"C_Login a second time: {code}"


@trial("login.ends")
def ends(bench: Bench) -> str:
    """Logging out hides the private keys from every session, and the next login shows them again."""
    key_id = new_id()
    template = templates.conversion_key(key_id, label("logout"), templates.NEVER_EXTRACTABLE)
    features.make(bench.session, bench.known(template))
    value = bench.token.check_value(key_id)
    slot_token = bench.token.slot_token
    bench.close()
    session = slot_token.open()
    try:
        seen = list(session.get_objects({Attribute.ID: key_id}))
    finally:
        session.close()
    if seen:
        raise Differs("a private key is found by a process that has logged out")
    if bench.token.check_value(key_id) != value:
        raise Differs("after a new login the key enciphers otherwise")
    bench.drop(key_id)
    return "after C_Logout no private key is found; after the next C_Login it is, with the same check value"


@trial("login.read-only")
def read_only(bench: Bench) -> str:
    """An engine opens the token for reading: it enciphers, and makes nothing."""
    with bench.stored_key("read only") as (key_id, _), bench.another_session() as session:
        found = list(session.get_objects({Attribute.TOKEN: True, Attribute.ID: key_id}))
        found[0].encrypt(CHECK_BLOCK, mechanism=Mechanism.AES_ECB)
        template = bench.known(templates.conversion_key(new_id(), label("never"), templates.NEVER_EXTRACTABLE))
        with refused("making a stored key in a read-only session") as seen:
            features.make(session, template).destroy()
        return f"making a stored key in a read-only session: {seen[0]}"

"""Making conversion keys and tag keys, with their copies, and destroying keys of any kind."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.ledger import attributes as rules
from appliance.ledger.actions import Destroy, Generate
from appliance.ledger.keys import KeyRecord
from appliance.ledger.outcome import Destroyed, Generated
from appliance.ledger.state import BackupToken, LedgerState
from appliance.numbers.domains import DomainTree, Generation
from appliance.token.token import Token
from keyceremony.act.selftest import self_test
from keyceremony.act.work.bench import STAGING, Bench
from keyceremony.errors import CopyMismatch, TransportKeyAltered


def generate(bench: Bench, number: int, action: Generate, state: LedgerState, tree: DomainTree) -> Generated:
    """A new key, its copies, sealed, read back, tried, and only then given its name.

    Raises:
        AttributesRefused, SelfTestFailed: the token made something else than it was asked for.
        TokenError: a token refused or is gone.
    """
    appliance, name = bench.desk.token(state.token_serial), action.generation

    def making(key_id: bytes) -> None:
        appliance.generate_conversion_key(key_id, STAGING + name, backed_up=bool(action.backups))

    key_id, _ = bench.make(f"{number}.key", state.token_serial, f"key {name}", making)
    new = _New(name, key_id, appliance.check_value(key_id))
    for serial in action.backups:
        _copy(bench, number, new, state, state.backups[serial])
    if action.backups:
        bench.do(f"{number}.seal", lambda: appliance.seal(key_id))
    kind = rules.BACKED_UP if action.backups else rules.NEVER_EXTRACTABLE
    rules.require_conversion_key(name, appliance.attributes(key_id), kind)
    domain = Generation.parse(name).domain
    self_test(appliance.encrypt_blocks(key_id, new.check_value), domain, tree)
    bench.do(f"{number}.name", lambda: _name(bench, [state.token_serial, *action.backups], key_id, name))
    return Generated(
        generation=name,
        key_id=key_id.hex(),
        check_value=new.check_value.hex(),
        attributes=appliance.attributes(key_id),
        copies={serial: bench.desk.token(serial).attributes(key_id) for serial in action.backups},
    )


@dataclass(frozen=True)
class _New:
    name: str
    key_id: bytes
    check_value: bytes


def _copy(bench: Bench, number: int, new: _New, state: LedgerState, backup: BackupToken) -> None:
    """A copy counts once it was unwrapped on the backup token and has the same check value there."""
    appliance, token = bench.desk.token(state.token_serial), bench.desk.token(backup.serial)

    def making(key_id: bytes) -> None:
        require_transport_key(appliance, backup)
        wrapped = appliance.wrap(new.key_id, backup.trusted_id)
        token.unwrap(key_id, STAGING + new.name, wrapped, backup.transport_id, new.check_value, sealed=False)

    what = f"copy of {new.name} on {backup.label}"
    bench.make(f"{number}.copy.{backup.serial}", backup.serial, what, making, key_id=new.key_id)
    require_copy(token, new.name, new.key_id, new.check_value, sealed=False)


def require_copy(token: Token, name: str, key_id: bytes, check_value: bytes, *, sealed: bool) -> None:
    """A copy has the right check value, and can do what a copy may, and no more.

    Raises:
        CopyMismatch: it is another key.
        AttributesRefused: its attributes.
    """
    found = token.check_value(key_id)
    if found != check_value:
        raise CopyMismatch(
            f"{name} on {token.facts.label}: its check value is {found.hex()}, not {check_value.hex()}",
            "the copy is another key; do not rely on this token",
        )
    rules.require_conversion_key(name, token.attributes(key_id), rules.RESTORED if sealed else rules.COPY)


def require_transport_key(token: Token, backup: BackupToken) -> None:
    """The trusted key on a token is, byte for byte, the transport key that the ledger knows of the backup token.

    Raises:
        TransportKeyAltered: it is another one.
        AttributeMismatch, KeyMissing: it is not trusted, or not there.
    """
    if token.trusted_key(backup.trusted_id) != backup.transport_key:
        raise TransportKeyAltered(
            f"token {token.facts.label}: the trusted key for {backup.label} is not the one that was enrolled",
            "somebody exchanged it: nothing was wrapped; find out who, and enrol the backup token again",
        )


def _name(bench: Bench, serials: list[str], key_id: bytes, name: str) -> None:
    for serial in serials:
        bench.desk.token(serial).relabel(key_id, name)


def destroy(bench: Bench, number: int, action: Destroy, state: LedgerState) -> Destroyed:
    """The key gone from the appliance's token, every backup token and every clone; absence proven on each.

    Raises:
        KeyMissing: a token does not hold what it should; nothing was removed from it.
    """
    record = state.keys[Generation.parse(action.generation)]
    for serial in holders(record, state):
        what = f"destroy {action.generation} on {bench.desk.name(serial).label}"
        bench.destroy(f"{number}.gone.{serial}", serial, record.key_id, what)
    for serial in holders(record, state):
        require_absent(bench.desk.token(serial), record.key_id)
    return Destroyed(generation=action.generation, absent_from=tuple(sorted(holders(record, state))))


def holders(record: KeyRecord, state: LedgerState) -> list[str]:
    """Serial numbers of the tokens a key is on: the copies first, so that the last to go are those in use."""
    return [*sorted(record.copies), *sorted(record.clones), state.token_serial]


def require_absent(token: Token, key_id: bytes) -> None:
    """Look once more, by CKA_ID, whatever a journal says.

    Raises:
        CopyMismatch: it is still there.
    """
    if token.has(key_id):
        raise CopyMismatch(f"{key_id.hex()}: is still on {token.facts.label}", "look at the token's own log")

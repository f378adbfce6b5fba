"""What tokens would report of a plan, for every action there is; always the same, but for the certificates."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from signerkit import LABELS, MINUTE, NOW, SERIAL, backup_signer, signer, token_signer, transport_key

from appliance.ledger import clones, publickey, services
from appliance.ledger.actions import (
    Action,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    Drill,
    EnrollBackup,
    EnrollClone,
    Generate,
    RemoveBackup,
    RemoveClone,
    Restore,
    UpdateClone,
    subject_of,
)
from appliance.ledger.book import Book as StateBook
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import Effect, KeyRecord, Made, Moment
from appliance.ledger.outcome import (
    ActionResult,
    BackupEnrolled,
    BackupRemoved,
    CloneEnrolled,
    CloneLogKey,
    CloneRemoved,
    CloneUpdated,
    CopiedKey,
    Destroyed,
    Drilled,
    Founded,
    Generated,
    GeneratedPair,
    Recorded,
    Restored,
    StateChanged,
    TokenFacts,
)
from appliance.ledger.plan import Plan
from appliance.ledger.publickey import encode_log_key, encode_transport_key, log_check_value
from appliance.ledger.results import content_digest
from appliance.ledger.roster import encode_certificate
from appliance.ledger.text import render_instant
from appliance.numbers.domains import Generation

Attributes = dict[str, bool | int | str]
_ENCRYPTS_ONLY: Attributes = {
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
_MADE: Attributes = {**_ENCRYPTS_ONLY, "value_len": 32, "local": True, "always_sensitive": True}
GOOD_ATTRIBUTES: Attributes = {**_MADE, "extractable": False, "never_extractable": True}
BACKED_UP_ATTRIBUTES: Attributes = {
    **_MADE,
    "extractable": False,
    "never_extractable": False,
    "wrap_with_trusted": True,
}
# What an unwrap leaves: LOCAL, ALWAYS_SENSITIVE and NEVER_EXTRACTABLE are lost for ever.
_UNWRAPPED: Attributes = {**_ENCRYPTS_ONLY, "local": False, "always_sensitive": False, "never_extractable": False}
COPY_ATTRIBUTES: Attributes = {**_UNWRAPPED, "extractable": True, "wrap_with_trusted": True}
RESTORED_ATTRIBUTES: Attributes = {**_UNWRAPPED, "extractable": False}
LOG_ATTRIBUTES: Attributes = {
    "class": "private_key",
    "key_type": "ec_edwards",
    "token": True,
    "private": True,
    "sensitive": True,
    "always_sensitive": True,
    "never_extractable": True,
    "local": True,
    "extractable": False,
    "sign": True,
    "decrypt": False,
    "unwrap": False,
    "derive": False,
}
TRANSPORT_ATTRIBUTES: Attributes = {
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


def key_id_of(text: str) -> str:
    """A key identifier that looks random and is always the same for one text."""
    return hashlib.sha256(b"id " + text.encode()).hexdigest()[:32]


def check_value_of(text: str) -> str:
    """A check value, likewise."""
    return hashlib.sha256(b"kcv " + text.encode()).hexdigest()[:12]


def results_for(state: LedgerState | None, plan: Plan) -> tuple[ActionResult, ...]:
    """What an appliance would report of the plan."""
    if state is None:
        certificate = encode_certificate(signer("appliance").certificate)
        return (Founded(key_id=key_id_of("identity"), certificate=certificate),)
    walk = StateBook(state, Moment(plan.sequence, render_instant(NOW + 3 * MINUTE)))
    return tuple(_result(walk, action) for action in plan.actions)


def _result(walk: StateBook, action: Action) -> ActionResult:
    match action:
        case Generate() if Generation.parse(action.generation).domain == services.LOG:
            made: ActionResult = _generated_pair(walk, action)
        case Generate():
            made = _generated(walk, action)
        case Destroy():
            made = _destroyed(walk, action)
        case RemoveBackup():
            made = _removed(walk, action)
        case EnrollClone() | UpdateClone():
            made = _brought(walk, action)
        case RemoveClone():
            made = _clone_removed(walk, action)
        case _:
            made = _afterwards(walk, action, walk.carry_out(action))
    return made


def _afterwards(walk: StateBook, action: Action, effect: Effect) -> ActionResult:
    """Results that tell of the state after the action, which has been carried out already."""
    match action:
        case ChangeRoster() | ChangePolicy() | AddDomain():
            made: ActionResult = Recorded(subject=subject_of(action), digest=content_digest(action))
        case EnrollBackup():
            made = enrolled(action.token_serial, copied(walk, action.token_serial, COPY_ATTRIBUTES), walk.token.serial)
        case Restore():
            made = _restored(walk, action)
        case Drill():
            keys = copied(walk, action.source, RESTORED_ATTRIBUTES)
            made = Drilled(scratch=facts(action.token_serial, action.token_label), keys=keys)
        case _:
            made = StateChanged(generation=effect.subject, state=str(effect.after))
    return made


def _destroyed(walk: StateBook, action: Destroy) -> Destroyed:
    record = walk.keys.keys[Generation.parse(action.generation)]
    held = record.copies | record.clones
    walk.carry_out(action)
    return Destroyed(generation=action.generation, absent_from=tuple(sorted({walk.token.serial, *held})))


def log_key(generation: str) -> Ed25519PrivateKey:
    """The private half of a log key, always the same for one generation."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"log " + generation.encode()).digest())


def log_public_key(generation: str) -> bytes:
    """Its public half, SubjectPublicKeyInfo (DER)."""
    return publickey.info_of(log_key(generation).public_key().public_bytes_raw())


def _generated_pair(walk: StateBook, action: Generate) -> GeneratedPair:
    made = generated_pair(action.generation)
    public = log_public_key(action.generation)
    walk.carry_out(action, Made(bytes.fromhex(made.key_id), bytes.fromhex(made.check_value), public))
    return made


def generated_pair(generation: str, **changes: object) -> GeneratedPair:
    """What making a log key results in; any field can be changed."""
    public = log_public_key(generation)
    fields: dict[str, object] = {
        "generation": generation,
        "key_id": key_id_of(generation),
        "check_value": log_check_value(public).hex(),
        "public_key": encode_log_key(public),
        "attributes": LOG_ATTRIBUTES,
    }
    return GeneratedPair(**{**fields, **changes})  # type: ignore[arg-type]


def _generated(walk: StateBook, action: Generate) -> Generated:
    key_id, check_value = key_id_of(action.generation), check_value_of(action.generation)
    walk.carry_out(action, Made(bytes.fromhex(key_id), bytes.fromhex(check_value)))
    return Generated(
        generation=action.generation,
        key_id=key_id,
        check_value=check_value,
        attributes=BACKED_UP_ATTRIBUTES if action.backups else GOOD_ATTRIBUTES,
        copies=dict.fromkeys(action.backups, COPY_ATTRIBUTES),
    )


def copied(walk: StateBook, serial: str | None, attributes: Attributes) -> tuple[CopiedKey, ...]:
    """The keys that are on a backup token (None: on the appliance's), as a result tells them."""
    return tuple(copy_of(key, attributes) for key in walk.live() if serial is None or serial in key.copies)


def copy_of(key: KeyRecord, attributes: Attributes) -> CopiedKey:
    """One key as it is on the token it was copied to."""
    return CopiedKey(
        generation=str(key.generation),
        key_id=key.key_id.hex(),
        check_value=key.check_value.hex(),
        attributes=attributes,
        origin=key.origin,
    )


def enrolled(serial: str, copies: tuple[CopiedKey, ...] = (), on: str = SERIAL, **changes: object) -> BackupEnrolled:
    """What a backup token's enrolment results in, on this appliance token; any field can be changed."""
    fields: dict[str, object] = {
        "token": facts(serial),
        "transport_id": key_id_of(f"transport {serial}"),
        "transport_key": encode_transport_key(transport_key(serial)),
        "trusted_id": key_id_of(f"trusted {serial} on {on}"),
        "key_id": key_id_of(f"identity {serial}"),
        "certificate": encode_certificate(backup_signer(serial).certificate),
        "attributes": TRANSPORT_ATTRIBUTES,
        "copies": copies,
    }
    return BackupEnrolled(**{**fields, **changes})  # type: ignore[arg-type]


def _removed(walk: StateBook, action: RemoveBackup) -> BackupRemoved:
    serial = action.token_serial
    keys = [key.key_id for key in walk.live() if serial in key.copies]
    backup = walk.backups[serial]
    walk.carry_out(action)
    gone = () if action.lost else (backup.transport_id, backup.identity_key_id, *keys)
    return BackupRemoved(serial=serial, removed=tuple(one.hex() for one in gone), trusted_id=backup.trusted_id.hex())


def _brought(walk: StateBook, action: EnrollClone | UpdateClone) -> ActionResult:
    keys = tuple(copy_of(key, RESTORED_ATTRIBUTES) for key in clones.due(walk, action))
    walk.carry_out(action)
    if isinstance(action, UpdateClone):
        return CloneUpdated(serial=action.token_serial, keys=keys)
    log = None if action.log_name is None else clone_log_key(action.token_serial)
    return CloneEnrolled(token=facts(action.token_serial), keys=keys, log_key=log)


def clone_log_key(serial: str, **changes: object) -> CloneLogKey:
    """The log key of a clone as its enrolment tells it; any field can be changed."""
    public = log_public_key(f"clone {serial}")
    fields: dict[str, object] = {
        "key_id": key_id_of(f"log {serial}"),
        "check_value": log_check_value(public).hex(),
        "public_key": encode_log_key(public),
        "attributes": LOG_ATTRIBUTES,
    }
    return CloneLogKey(**{**fields, **changes})  # type: ignore[arg-type]


def _clone_removed(walk: StateBook, action: RemoveClone) -> CloneRemoved:
    clone = walk.clones[action.token_serial]
    held = [key.key_id for key in clones.held(walk.keys.keys, clone.serial)]
    held += [clone.log_key_id] if clone.log_name is not None else []
    walk.carry_out(action)
    return CloneRemoved(serial=clone.serial, removed=() if action.lost else tuple(one.hex() for one in held))


def _restored(walk: StateBook, action: Restore) -> Restored:
    return Restored(
        key_id=key_id_of(f"identity {action.token_serial}"),
        certificate=encode_certificate(token_signer(action.token_serial).certificate),
        keys=copied(walk, None, RESTORED_ATTRIBUTES),
        trusted={serial: key_id_of(f"trusted {serial} on {action.token_serial}") for serial in walk.backups},
    )


def facts(serial: str = SERIAL, label: str | None = None) -> TokenFacts:
    """How a token names itself."""
    name = label or LABELS[serial]
    return TokenFacts(label=name, serial=serial, manufacturer="SoftHSM project", model="SoftHSM v2")

"""An outcome: what happened when a plan was carried out. Canonical JSON, signed by the token."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical
from appliance.ledger.errors import Malformed, MalformedOutcome
from appliance.ledger.plan import Digest, Instant
from appliance.ledger.text import parse_instant, require_line

OUTCOME_TYPE = "kagimori/outcome/v1"
KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
CheckValueText = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}\Z")]
AttributeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]
Attributes = Annotated[dict[AttributeName, bool | int | str], msgspec.Meta(max_length=64)]


class TokenFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The token as it named itself."""

    label: str
    serial: str
    manufacturer: str
    model: str


class _Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action"):
    """What every result has in common."""


class Founded(_Result, frozen=True, kw_only=True, tag="found"):
    """The identity key made at genesis; it signs every outcome. Certificate: base64 of DER."""

    key_id: KeyId
    certificate: str


class Generated(_Result, frozen=True, kw_only=True, tag="generate"):
    """A key made on the token, with the attributes read back (CKA names in lower case).

    ``copies``: what was read back of its copy on each backup token, by serial number; the check value was
    computed there, and is this one.
    """

    generation: str
    key_id: KeyId
    check_value: CheckValueText
    attributes: Attributes
    copies: dict[str, Attributes] = {}


class GeneratedPair(_Result, frozen=True, kw_only=True, tag="generate-pair"):
    """A log key, made on the token and never copied. ``public_key``: SubjectPublicKeyInfo (DER) in base64.

    ``check_value``: the first 6 bytes of SHA-256 over that SubjectPublicKeyInfo.
    """

    generation: str
    key_id: KeyId
    check_value: CheckValueText
    public_key: str
    attributes: Attributes


class StateChanged(_Result, frozen=True, kw_only=True, tag="state"):
    """A key's state moved without the token changing."""

    generation: str
    state: str


class Destroyed(_Result, frozen=True, kw_only=True, tag="destroy"):
    """A key removed: the serial numbers of the tokens it was on, on each of which it was looked for in vain."""

    generation: str
    absent_from: tuple[str, ...]


class Recorded(_Result, frozen=True, kw_only=True, tag="record"):
    """Roster, policy or domains are others from now on; SHA-256 of the new content in canonical JSON."""

    subject: str
    digest: Digest


class CopiedKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A key as it is on the token it was copied to. ``origin``: the entry that tells how it was made.

    An unwrapped key cannot show CKA_LOCAL, CKA_ALWAYS_SENSITIVE and CKA_NEVER_EXTRACTABLE; that it was made
    inside a token is what the outcome of its origin says.
    """

    generation: str
    key_id: KeyId
    check_value: CheckValueText
    attributes: Attributes
    origin: Annotated[int, msgspec.Meta(ge=1, le=999_999)]


class BackupEnrolled(_Result, frozen=True, kw_only=True, tag="enroll-backup"):
    """A backup token: its transport key (RSA, unwraps), its identity key (signs the outcome of a restore).

    ``transport_key``: SubjectPublicKeyInfo, ``certificate``: DER, both in base64; ``trusted_id``: CKA_ID of
    the transport key's public half on the appliance's token, where it is CKA_TRUSTED.
    """

    token: TokenFacts
    transport_id: KeyId
    transport_key: str
    trusted_id: KeyId
    key_id: KeyId
    certificate: str
    attributes: Attributes
    copies: tuple[CopiedKey, ...]


class BackupRemoved(_Result, frozen=True, kw_only=True, tag="remove-backup"):
    """A backup token left.

    ``removed``: the CKA_IDs proven absent from it now, none if it is lost; ``trusted_id``: that of its transport
    key on the appliance's token, removed from there in either case.
    """

    serial: str
    removed: tuple[KeyId, ...]
    trusted_id: KeyId


class Restored(_Result, frozen=True, kw_only=True, tag="restore"):
    """A new appliance token: its new identity key, and the keys on it.

    ``trusted``: by serial number of each backup token, the CKA_ID of its trusted transport key there.
    """

    key_id: KeyId
    certificate: str
    keys: tuple[CopiedKey, ...]
    trusted: dict[str, KeyId]


class Drilled(_Result, frozen=True, kw_only=True, tag="drill"):
    """Recovery was rehearsed: these keys were on the scratch token, converted there, and are gone from it again."""

    scratch: TokenFacts
    keys: tuple[CopiedKey, ...]


class CloneLogKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The key that signs the log of a clone's own appliance, made on the clone; told as in `GeneratedPair`."""

    key_id: KeyId
    check_value: CheckValueText
    public_key: str
    attributes: Attributes


class CloneEnrolled(_Result, frozen=True, kw_only=True, tag="enroll-clone"):
    """A clone: the keys on it, sealed, and its own log key if it keeps a log."""

    token: TokenFacts
    keys: tuple[CopiedKey, ...]
    log_key: CloneLogKey | None


class CloneUpdated(_Result, frozen=True, kw_only=True, tag="update-clone"):
    """The keys that a clone has got in addition."""

    serial: str
    keys: tuple[CopiedKey, ...]


class CloneRemoved(_Result, frozen=True, kw_only=True, tag="remove-clone"):
    """A clone left. ``removed``: the CKA_IDs proven absent from it now, none if it is lost."""

    serial: str
    removed: tuple[KeyId, ...]


ActionResult = (
    Founded
    | Generated
    | GeneratedPair
    | StateChanged
    | Destroyed
    | Recorded
    | BackupEnrolled
    | BackupRemoved
    | Restored
    | Drilled
    | CloneEnrolled
    | CloneUpdated
    | CloneRemoved
)


class Note(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A deviation from the script, typed in while the ceremony went on."""

    at: Instant
    text: str


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happened. ``authorization`` is SHA-256 of the authorization file, ``plan`` of the plan's bytes.

    ``durations``: milliseconds each action took. ``annexes``: SHA-256 of each annex of this entry (refusals, failed
    attempts; see `appliance.ledger.annexes`), in the order of their names.
    """

    type: Literal["kagimori/outcome/v1"]
    sequence: Annotated[int, msgspec.Meta(ge=1, le=999_999)]
    plan: Digest
    authorization: Digest
    started: Instant
    finished: Instant
    operator: str
    tool: str
    token: TokenFacts
    results: Annotated[tuple[ActionResult, ...], msgspec.Meta(min_length=1, max_length=256)]
    durations: tuple[Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)], ...]
    notes: Annotated[tuple[Note, ...], msgspec.Meta(max_length=256)] = ()
    annexes: Annotated[tuple[Digest, ...], msgspec.Meta(max_length=1024)] = ()


def parse(data: bytes) -> Outcome:
    """An outcome from its bytes, checked in itself (not against its plan).

    Raises:
        NotCanonical: the bytes are not canonical JSON.
        MalformedOutcome: what it says breaks a rule.
    """
    outcome = canonical.decode(data, Outcome, malformed=MalformedOutcome)
    validate(outcome)
    return outcome


def validate(outcome: Outcome) -> None:
    """Check what types cannot say: times and text.

    Raises:
        MalformedOutcome: naming the field and the rule.
    """
    started = parse_instant("started", outcome.started, malformed=MalformedOutcome)
    if parse_instant("finished", outcome.finished, malformed=MalformedOutcome) < started:
        raise MalformedOutcome("finished: must not be earlier than started")
    if len(outcome.durations) != len(outcome.results):
        raise MalformedOutcome("durations: one for each result")
    for number, note in enumerate(outcome.notes, start=1):
        parse_instant(f"notes: {number}: at", note.at, malformed=MalformedOutcome)
        require_line(f"notes: {number}: text", note.text, longest=1000, malformed=MalformedOutcome)
    for field, text in {"operator": outcome.operator, "tool": outcome.tool}.items():
        require_line(field, text, malformed=MalformedOutcome)
    validate_token("token", outcome.token)
    for result in outcome.results:
        match result:
            case BackupEnrolled() | CloneEnrolled():
                validate_token("results: token", result.token)
            case Drilled():
                validate_token("results: scratch", result.scratch)
            case _:
                pass


def validate_token(field: str, facts: TokenFacts, *, malformed: type[Malformed] = MalformedOutcome) -> None:
    """Check how a token named itself.

    Raises:
        Malformed: (the given subclass) naming the field.
    """
    for name, text in {"label": facts.label, "serial": facts.serial}.items():
        require_line(f"{field}: {name}", text, malformed=malformed)
    for name, text in {"manufacturer": facts.manufacturer, "model": facts.model}.items():
        if text:  # a token may leave these empty
            require_line(f"{field}: {name}", text, malformed=malformed)

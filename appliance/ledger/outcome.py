"""An outcome: what happened when a plan was carried out. Canonical JSON, signed by the token."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical
from appliance.ledger.errors import MalformedOutcome
from appliance.ledger.plan import Digest, Instant
from appliance.ledger.text import parse_instant, require_line

OUTCOME_TYPE = "kagimori/outcome/v1"
KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
CheckValueText = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}\Z")]
AttributeName = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}\Z")]


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
    """A key made on the token, with the attributes read back (CKA names in lower case)."""

    generation: str
    key_id: KeyId
    check_value: CheckValueText
    attributes: Annotated[dict[AttributeName, bool | int | str], msgspec.Meta(max_length=64)]


class StateChanged(_Result, frozen=True, kw_only=True, tag="state"):
    """A key's state moved without the token changing."""

    generation: str
    state: str


ActionResult = Founded | Generated | StateChanged


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happened. ``authorization`` is SHA-256 of the authorization file, ``plan`` of the plan's bytes."""

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
    facts = outcome.token
    lines = {
        "operator": outcome.operator,
        "tool": outcome.tool,
        "token: label": facts.label,
        "token: serial": facts.serial,
    }
    for field, text in lines.items():
        require_line(field, text, malformed=MalformedOutcome)
    for field, text in {"token: manufacturer": facts.manufacturer, "token: model": facts.model}.items():
        if text:  # a token may leave these empty
            require_line(field, text, malformed=MalformedOutcome)

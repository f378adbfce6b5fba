"""An outcome: what happened when a plan was carried out. Canonical JSON, signed by the token."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from appliance.ledger.plan import Digest, Instant

OUTCOME_TYPE = "kagimori/outcome/v1"
KeyId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
CheckValueText = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{12}\Z")]


class TokenFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The token as it named itself."""

    label: str
    serial: str
    manufacturer: str
    model: str


class Founded(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action", tag="found"):
    """The identity key made at genesis; it signs every outcome. Certificate: base64 of DER."""

    key_id: KeyId
    certificate: str


class Generated(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action", tag="generate"):
    """A key made on the token, with the attributes read back (CKA names in lower case)."""

    generation: str
    key_id: KeyId
    check_value: CheckValueText
    attributes: dict[str, bool | int | str]


class StateChanged(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="action", tag="state"):
    """A key's state moved without the token changing."""

    generation: str
    state: str


ActionResult = Founded | Generated | StateChanged


class Outcome(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What happened. ``authorization`` is SHA-256 of the authorization file, ``plan`` of the plan's bytes."""

    type: Literal["kagimori/outcome/v1"]
    sequence: int
    plan: Digest
    authorization: Digest
    started: Instant
    finished: Instant
    operator: str
    tool: str
    token: TokenFacts
    results: tuple[ActionResult, ...]

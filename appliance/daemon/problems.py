"""Problem documents (RFC 9457): the closed list of everything the daemon refuses with.

Each problem has one code, one HTTP status and one title; only the sentence in ``detail`` differs.
The same codes stand in audit records, and after ``!!`` in the last line of a stream that was cut
short. ``docs/openapi.yaml`` lists them too; a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import msgspec

CONTENT_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:kagimori:problem:"


@dataclass(frozen=True)
class Kind:
    """What is the same in all problems of one code. ``detail`` is used where no better one is given."""

    status: int
    title: str
    detail: str
    retry_after: int | None = None


_KINDS = {
    "malformed_request": Kind(400, "Malformed request", "The request is not of the form that the interface documents."),
    "malformed_number": Kind(400, "Malformed number", "number: not of the form that its domain has."),
    "caller_denied": Kind(403, "Caller not allowed", "This socket is not for processes of your user."),
    "pair_denied": Kind(
        403,
        "Pair not allowed",
        "This role may not convert between these two. GET /v1/domains lists the pairs it may.",
    ),
    "purpose_denied": Kind(403, "Purpose not allowed", "purpose: not one of this role's; GET /v1/domains lists them."),
    "stream_denied": Kind(403, "Streams not allowed", "This role may not use the streamed form; send JSON."),
    "order_required": Kind(
        403, "Disclosure order required", "This conversion needs a disclosure order; the request carries none."
    ),
    "order_invalid": Kind(403, "Disclosure order not valid", "order: not an order that this ledger's people signed."),
    "order_expired": Kind(403, "Disclosure order expired", "order: not valid at this time."),
    "order_exhausted": Kind(403, "Disclosure order used up", "order: its count of numbers is used up, or would be."),
    "order_mismatch": Kind(403, "Disclosure order for something else", "order: not for this conversion."),
    "not_found": Kind(404, "No such resource", "There is nothing at this path; see the OpenAPI document."),
    "unknown_number": Kind(404, "Unknown number", "number: well formed, but nobody's."),
    "unknown_generation": Kind(404, "Unknown key generation", "The ledger has no such key generation."),
    "method_not_allowed": Kind(405, "Method not allowed", "This path takes another method; see the Allow header."),
    "generation_unusable": Kind(
        409,
        "Key generation not usable",
        "The key generation is in a state that does not allow this (or the domain has no current one).",
    ),
    "gone": Kind(410, "Gone", "These records are older than the retention and were removed; their hashes stay."),
    "too_many_numbers": Kind(413, "Too many numbers", "More numbers than this role may convert in one request."),
    "unsupported_media_type": Kind(
        415, "Unsupported media type", "Content-Type must be application/json or text/plain, without Content-Encoding."
    ),
    "rate_limited": Kind(429, "Rate limit reached", "This role has used up its numbers for now.", retry_after=1),
    "quota_exhausted": Kind(429, "Quota used up", "This role has used up its numbers for today (UTC).", retry_after=60),
    "internal": Kind(500, "Internal error", "A defect in Kagimori; the daemon's log names the place."),
    "overloaded": Kind(503, "Overloaded", "Too much is waiting already.", retry_after=1),
    "token_unavailable": Kind(503, "Token not available", "No engine can reach the token at present.", retry_after=2),
    "engine_lost": Kind(503, "Engine lost", "The engine died twice over this request.", retry_after=1),
    "audit_unavailable": Kind(
        503, "Audit log not available", "The audit record cannot be written, so nothing is converted.", retry_after=2
    ),
    "cosignature_overdue": Kind(
        503,
        "Co-signature overdue",
        "The oversight body has not co-signed the audit log for longer than the policy allows.",
        retry_after=30,
    ),
    "index_behind": Kind(503, "Index behind", "The index of subject tags is being brought up to date.", retry_after=5),
    "stopping": Kind(503, "Stopping", "The daemon is stopping.", retry_after=5),
    "deadline_exceeded": Kind(504, "Deadline exceeded", "The answer was not ready in time; nothing is handed out."),
}
KINDS: Mapping[str, Kind] = MappingProxyType(_KINDS)

NUMBER_CODES = ("malformed_number", "unknown_number")


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a refusal."""

    type: str
    title: str
    status: int
    detail: str
    code: str


class Problem(Exception):
    """A request is refused. ``retry_after``: seconds, None where trying again is no use."""

    def __init__(self, code: str, detail: str | None = None, *, retry_after: int | None = None) -> None:
        super().__init__(code)
        kind = KINDS[code]
        self.code = code
        self.status = kind.status
        self.title = kind.title
        self.detail = detail or kind.detail
        self.retry_after = retry_after if retry_after is not None else kind.retry_after

    def body(self) -> bytes:
        """The problem document."""
        return msgspec.json.encode(
            Document(
                type=TYPE_PREFIX + self.code, title=self.title, status=self.status, detail=self.detail, code=self.code
            )
        )

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to it."""
        headers = {"Content-Type": CONTENT_TYPE}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        return headers

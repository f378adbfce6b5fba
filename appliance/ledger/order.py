"""A disclosure order: who lets whom convert what, for which case, how many numbers, and until when.

Needed for what leads to all numbers of a person (the root, or a domain that others stand under), and for more numbers
than a role may convert without one. Canonical JSON, signed like a plan (one SignedData with all signatures, in the one
form of `appliance.ledger.cms`). Not part of the ledger: the ledger says who may sign it, the request carries it, the
engine verifies it. Its digest is that of the signed content, so that more signatures make no new order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec

from appliance.ledger import canonical, cms, quorum
from appliance.ledger import certificate as certificates
from appliance.ledger.cms import Signature
from appliance.ledger.errors import (
    LedgerError,
    MalformedOrder,
    OrderElsewhere,
    OrderExpired,
    OrderMismatch,
    OrderNotYetValid,
    OrderRefused,
    OrderSignerRefused,
    OrderTooLong,
    OrderUnsigned,
)
from appliance.ledger.plan import Digest, Instant
from appliance.ledger.policy import DisclosureRules, Name
from appliance.ledger.quorum import Approval, Tally
from appliance.ledger.roster import Roster, Threshold
from appliance.ledger.state import LedgerState
from appliance.ledger.text import parse_instant, render_instant, require_line

MAXIMUM_SIZE = 64 * 1024  # bytes of a signed order; a daemon's caller sends it with every request
DomainName = Annotated[str, msgspec.Meta(pattern=r"^[a-z]+(\.[A-Z][A-Za-z0-9]*)?\Z", max_length=32)]


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What is allowed. ``anchor``: the ledger it is for; ``id``: random, so that two orders never have one digest.

    ``most``: how many numbers may be converted under it in all; ``case``: the reference of the case, in a line.
    """

    type: Literal["kagimori/order/v1"]
    anchor: Digest
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}\Z")]
    source: DomainName
    target: DomainName
    role: Name
    purpose: Name
    most: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
    issued: Instant
    not_before: Instant
    not_after: Instant
    case: str


@dataclass(frozen=True)
class VerifiedOrder:
    """An order that enough people signed, and that was valid when it was verified; ask `require_time` again later."""

    order: Order
    digest: str
    signers: tuple[Approval, ...]


def encode(order: Order) -> bytes:
    """The bytes that people sign.

    Raises:
        MalformedOrder: a field breaks a rule.
    """
    data = canonical.encode(order)
    parse(data)
    return data


def parse(data: bytes) -> Order:
    """An order from its bytes, checked in itself (not against any ledger).

    Raises:
        MalformedOrder: not canonical JSON, or a field breaks a rule; names it.
    """
    with _as(MalformedOrder):
        order = canonical.decode(data, Order, malformed=MalformedOrder)
        require_line("case", order.case, malformed=MalformedOrder)
    issued, (begins, ends) = parse_instant("issued", order.issued, malformed=MalformedOrder), validity(order)
    if begins < issued:
        raise MalformedOrder("not_before: must not be earlier than issued; an order allows nothing afterwards")
    if ends <= begins:
        raise MalformedOrder("not_after: must be later than not_before")
    return order


def digest(data: bytes) -> str:
    """SHA-256 of the signed content, in lower-case hex: what names an order in the log and counts its use."""
    return hashlib.sha256(data).hexdigest()


def validity(order: Order) -> tuple[datetime, datetime]:
    """From when until when, both included.

    Raises:
        MalformedOrder: not instants.
    """
    return (
        parse_instant("not_before", order.not_before, malformed=MalformedOrder),
        parse_instant("not_after", order.not_after, malformed=MalformedOrder),
    )


def verify(cms_der: bytes, state: LedgerState, *, now: datetime) -> VerifiedOrder:
    """A signed order that holds now, under the ledger's roster and policy.

    What it allows is then to be held against what is asked: `require_pair`, `require_terms`, and how often it was used.

    Raises:
        OrderRefused: (a subclass) its form, ledger, signatures, quorum or time; ``code`` says which kind.
    """
    if len(cms_der) > MAXIMUM_SIZE:
        raise MalformedOrder(f"an order of {len(cms_der)} bytes; at most {MAXIMUM_SIZE} are read")
    with _as(MalformedOrder):
        signed = cms.verify(cms_der)
    order = parse(signed.content)
    require_ledger(order, state)
    result = tally(order, signed.signers, state)
    if not result.complete:
        raise OrderUnsigned(shortage(result))
    require_time(order, now)
    for signer in result.approved:
        if signer.signing_time > now:
            when = render_instant(signer.signing_time)
            raise OrderNotYetValid(f"{signer.person.id} signed the order at {when}, but it is {render_instant(now)}")
    return VerifiedOrder(order, digest(signed.content), result.approved)


def require_ledger(order: Order, state: LedgerState) -> None:
    """The order is one for this ledger, and no longer than its policy lets an order be.

    Raises:
        OrderElsewhere, OrderTooLong: it is not.
    """
    if order.anchor != state.anchor:
        raise OrderElsewhere(f"the order is for the ledger {order.anchor}; this one is {state.anchor}")
    begins, ends = validity(order)
    longest = state.policy.disclosure.longest_days
    if ends - begins > timedelta(days=longest):
        raise OrderTooLong(
            f"the order is valid from {order.not_before} until {order.not_after}; the policy allows {longest} days"
        )


def tally(order: Order, signatures: Iterable[Signature], state: LedgerState) -> Tally:
    """Count verified signatures over the order: who signed, and who is missing.

    Raises:
        OrderSignerRefused: a stranger's, one person or key twice, or made at a wrong time.
    """
    with _as(OrderSignerRefused):
        approved = tuple(_approval(order, signature, state.roster) for signature in signatures)
        return quorum.count(approved, needed(state.policy.disclosure), state.roster)


def needed(rules: DisclosureRules) -> Threshold:
    """How many of each role must sign an order."""
    return Threshold(officers=rules.officers, oversight=rules.oversight)


def shortage(result: Tally) -> str:
    """Who is missing, in words."""
    wanted = {"officer": result.needed.officers, "oversight": result.needed.oversight}
    parts = []
    for role, missing in result.missing.items():
        if missing:
            names = ", ".join(person.id for person in result.remaining[role]) or "nobody"
            parts.append(f"{wanted[role] - missing} of {wanted[role]} {role} signatures (still can: {names})")
    return "the order has " + "; ".join(parts)


def require_time(order: Order, now: datetime) -> None:
    """The order is valid now.

    Raises:
        OrderExpired, OrderNotYetValid: it is not any more, or not yet.
    """
    begins, ends = validity(order)
    if now < begins:
        raise OrderNotYetValid(f"the order is valid from {order.not_before} on; it is {render_instant(now)}")
    if now > ends:
        raise OrderExpired(f"the order was valid until {order.not_after}; it is {render_instant(now)}")


def require_pair(order: Order, source: str, target: str) -> None:
    """The order is for this conversion; both are domains, not generations.

    Raises:
        OrderMismatch: it is for another one.
    """
    if (order.source, order.target) != (source, target):
        raise OrderMismatch(f"the order is for {order.source} → {order.target}, not for {source} → {target}")


def require_terms(order: Order, role: str, purpose: str) -> None:
    """The order is for this role and purpose.

    Raises:
        OrderMismatch: it is for others.
    """
    if order.role != role:
        raise OrderMismatch(f"the order is for the role {order.role}, not for {role}")
    if order.purpose != purpose:
        raise OrderMismatch(f"the order is for the purpose {order.purpose}, not for {purpose}")


@contextmanager
def _as(refused: type[OrderRefused]) -> Iterator[None]:
    """What the shared code of the ledger refuses, under the name that an order's refusal has."""
    try:
        yield
    except OrderRefused:
        raise
    except LedgerError as error:
        raise refused(error.reason) from error


def _approval(order: Order, signature: Signature, roster: Roster) -> Approval:
    """Whose signature it is. Their certificate must last as long as the order, since nobody looks at it again."""
    holder = certificates.read(signature.certificate)
    person = quorum.person_of(holder, roster)
    moment, (_, ends) = signature.signing_time, validity(order)
    when = f"{person.id} signed at {render_instant(moment)}"
    if moment < parse_instant("issued", order.issued):
        raise OrderSignerRefused(f"{when}, before the order was issued ({order.issued})")
    if moment > ends:
        raise OrderSignerRefused(f"{when}, after the order's end ({order.not_after})")
    if not (holder.covers(moment) and holder.covers(ends)):
        raise OrderSignerRefused(
            f"{when}, with a certificate valid from {render_instant(holder.not_before)} until"
            f" {render_instant(holder.not_after)}; it must cover the signature and the order's end ({order.not_after})"
        )
    return Approval(person, moment)

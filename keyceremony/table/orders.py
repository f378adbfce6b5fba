"""A disclosure order on the table: its file, the signatures beside it, and all of it put together.

``NAME.order.json`` is what people sign, ``NAME.ID.signature.cms`` what each of them signed, wherever they did it, and
``NAME.order.cms`` the whole that a request carries. None of it is part of the ledger.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from appliance.ledger import cms, order, policy
from appliance.ledger.errors import OrderUnsigned, naming
from appliance.ledger.order import Order
from appliance.ledger.quorum import Tally
from appliance.ledger.roster import Person
from appliance.ledger.state import LedgerState
from keyceremony import workspace
from keyceremony.errors import AlreadyApproved, OrderOfNoUse, UsageProblem
from keyceremony.table import approve, papers
from keyceremony.table.deciders import Decider
from keyceremony.words import words_of

DRAFT, SIGNATURE, WHOLE = ".order.json", ".signature.cms", ".order.cms"


@dataclass(frozen=True)
class OrderPaper:
    """An order's file: its exact bytes are what people sign."""

    path: Path
    data: bytes
    order: Order

    @property
    def kind(self) -> str:
        """What people call it."""
        return "order"

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes, hex; it names the order in the audit log."""
        return order.digest(self.data)

    @property
    def words(self) -> tuple[str, ...]:
        """The read-aloud words."""
        return words_of(self.data)

    @property
    def subjects(self) -> tuple[str, str]:
        """What it is about, typed by whoever signs: from which numbers to which."""
        return self.order.source, self.order.target


def draft_path(name: Path) -> Path:
    """Where an order of that name is drafted; the ending may be given or not."""
    return name if name.name.endswith(DRAFT) else name.with_name(name.name + DRAFT)


def load(path: Path) -> OrderPaper:
    """An order's file, strictly read.

    Raises:
        UsageProblem: a file of another ending.
        MalformedOrder: not an order in its one encoding; names the file.
    """
    if not path.name.endswith(DRAFT):
        raise UsageProblem(f"{path}: an order is drafted in NAME{DRAFT}", "name that file")
    data = workspace.read(path)
    with naming(str(path)):
        return OrderPaper(path, data, order.parse(data))


def load_signed(path: Path) -> tuple[OrderPaper, tuple[cms.Signature, ...]]:
    """The order in a signed file, with its signatures, each verified; whose they are is not judged.

    Raises:
        LedgerError: not an order, or a bad signature; names the file.
    """
    with naming(str(path)):
        signed = cms.verify(workspace.read(path))
        return OrderPaper(path, signed.content, order.parse(signed.content)), signed.signers


def _beside(paper: OrderPaper, ending: str) -> Path:
    return paper.path.with_name(paper.path.name.removesuffix(DRAFT) + ending)


def signature_paths(paper: OrderPaper) -> list[Path]:
    """The signatures lying beside an order, by name."""
    stem = paper.path.name.removesuffix(DRAFT)
    found = paper.path.parent.glob(f"*{SIGNATURE}")
    return sorted(path for path in found if path.name.removesuffix(SIGNATURE).rpartition(".")[0] == stem)


def given(paper: OrderPaper, elsewhere: Sequence[Path] = ()) -> dict[bytes, papers.Approval]:
    """By certificate, the signatures beside an order and those signed ``elsewhere``; a copy of one counts once.

    Raises:
        LedgerError, PlanAltered, ApprovalRefused: a file that is no signature of exactly this order; names it.
    """
    found = papers.load_approvals(paper, [*signature_paths(paper), *elsewhere])
    return {one.signature.certificate: one for one in found}


def tally(paper: OrderPaper, signatures: Sequence[cms.Signature], state: LedgerState) -> Tally:
    """Who signed and who is missing.

    Raises:
        OrderElsewhere, OrderTooLong: not for this ledger, or too long for its policy.
        OrderSignerRefused: a signature does not count.
    """
    order.require_ledger(paper.order, state)
    return order.tally(paper.order, signatures, state)


def check_of_use(paper: OrderPaper, state: LedgerState, *, now: datetime) -> None:
    """Refuse an order that could never be used, before anybody signs it.

    Raises:
        OrderElsewhere, OrderTooLong, OrderExpired: not for this ledger, too long, or over already.
        OrderOfNoUse: the policy does not let the role convert that for that purpose, or lets it without an order.
    """
    order.require_ledger(paper.order, state)
    order.require_time(paper.order, max(now, order.validity(paper.order)[0]))
    drafted, known = paper.order, sorted(state.policy.roles)
    rule = state.policy.roles.get(drafted.role)
    if rule is None:
        raise OrderOfNoUse(f"role: the policy has no role {drafted.role}", f"roles: {', '.join(known) or 'none'}")
    if (drafted.source, drafted.target) not in rule.pairs:
        raise OrderOfNoUse(
            f"the policy does not let {drafted.role} convert {drafted.source} → {drafted.target}",
            "an order lifts no rule; the pair must be in the policy: keyceremony plan policy",
        )
    if drafted.purpose not in rule.purposes:
        raise OrderOfNoUse(
            f"purpose: {drafted.role} does not convert for {drafted.purpose}", f"purposes: {', '.join(rule.purposes)}"
        )
    if not policy.discloses(state.tree, drafted.target) and rule.values_without_order is None:
        raise OrderOfNoUse(
            f"{drafted.role} converts {drafted.source} → {drafted.target} without an order, and without a limit to it",
            "values_without_order of the policy sets a limit: keyceremony plan policy",
        )


def signer_named(paper: OrderPaper, state: LedgerState, person_id: str, *, now: datetime) -> Decider:
    """The person who is to sign, all that can be checked without their key.

    Raises:
        OrderRefused, OrderOfNoUse: as `check_of_use`.
        NotInRoster: nobody of that id is in the roster.
        AlreadyApproved: they have signed it before.
    """
    check_of_use(paper, state, now=now)
    decider = Decider(papers.person_in(state.roster, person_id), ("roster",), joins=False)
    known = given(paper).get(decider.certificate)
    if known is not None:
        raise AlreadyApproved(f"{person_id} has signed this order already ({known.path})", "another person must sign")
    return decider


def sign(
    paper: OrderPaper, person: Person, signer: cms.Signer, state: LedgerState, *, now: datetime, out: Path | None
) -> Path:
    """Sign the order as that person and write the signature; returns its path.

    Raises:
        KeyNotTheirs: the signer's key is not the one the roster has for the person.
        OrderSignerRefused: their certificate does not last as long as the order.
        OutputExists: the signature's file is there already.
    """
    path = out or _beside(paper, f".{person.id}{SIGNATURE}")
    workspace.check_absent(path)
    der = approve.sign(paper, person, signer, now=now)
    tally(paper, cms.verify(der).signers, state)
    workspace.create(path, der)
    return path


def sign_command(paper: OrderPaper, missing: Tally, arguments: Sequence[str]) -> list[str]:
    """How the next person who is missing signs; empty when nobody is. ``arguments``: where the ledger is, as typed."""
    for role, count in missing.missing.items():
        if count and missing.remaining[role]:
            person = missing.remaining[role][0].id
            return ["keyceremony", "order", "sign", str(paper.path), "--as", person, "--token", person, *arguments]
    return []


def finish(
    paper: OrderPaper, state: LedgerState, elsewhere: Sequence[Path], *, now: datetime, arguments: Sequence[str] = ()
) -> tuple[Path, Tally]:
    """Put the order and all its signatures together into the file that a request carries; its path, and who signed.

    ``arguments``: where the ledger is, as typed; for the command in a hint.

    Raises:
        OrderRefused: (a subclass) too few signatures, or the order does not hold.
        LedgerError, PlanAltered, ApprovalRefused: a file that is no signature of exactly this order.
        OutputExists: it was put together before.
    """
    path = _beside(paper, WHOLE)
    workspace.check_absent(path, "an order that was put together holds as it is; name it in requests")
    check_of_use(paper, state, now=now)
    found = given(paper, elsewhere)
    result = tally(paper, [one.signature for one in found.values()], state)
    if not result.complete:
        following = sign_command(paper, result, arguments)
        raise OrderUnsigned(order.shortage(result), f"have it signed: {shlex.join(following)}" if following else None)
    der = cms.merge([one.der for one in found.values()])
    order.verify(der, state, now=max(now, order.validity(paper.order)[0]))
    workspace.create(path, der)
    return path, result

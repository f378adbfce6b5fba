"""Making ledgers in memory for tests: plans, approvals, outcomes, annexes, and a ledger that grows.

Everything here is deterministic except the keys (`signerkit`), which are made once a process; what tokens would
report is in `resultkit`. A test finds the names of all three here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from resultkit import (
    BACKED_UP_ATTRIBUTES,
    COPY_ATTRIBUTES,
    GOOD_ATTRIBUTES,
    LOG_ATTRIBUTES,
    RESTORED_ATTRIBUTES,
    TRANSPORT_ATTRIBUTES,
    check_value_of,
    clone_log_key,
    copied,
    copy_of,
    enrolled,
    facts,
    generated_pair,
    key_id_of,
    log_key,
    log_public_key,
    results_for,
)
from signerkit import (
    B1,
    B2,
    B3,
    C1,
    C2,
    HOUR,
    LABELS,
    MINUTE,
    NAMES,
    NEW_TOKEN,
    NOW,
    OFFICERS,
    OVERSIGHT,
    SCRATCH,
    SERIAL,
    PrivateKey,
    SoftSigner,
    backup_signer,
    make_roster,
    make_signer,
    person,
    signer,
    token_signer,
    transport_key,
)

from appliance.ledger import annexes, canonical, chain, cms
from appliance.ledger.actions import (
    Action,
    Activate,
    DomainSpec,
    Drill,
    EnrollBackup,
    EnrollClone,
    FormatSpec,
    Found,
    Generate,
    Restore,
)
from appliance.ledger.annexes import Attempt, Refusal
from appliance.ledger.fold import LedgerState
from appliance.ledger.outcome import ActionResult, Outcome, TokenFacts
from appliance.ledger.plan import NO_PREVIOUS, Plan
from appliance.ledger.policy import KeyRules, Policy, RoleRule
from appliance.ledger.text import render_instant
from appliance.numbers.domains import default_domains

__all__ = [
    "B1",
    "B2",
    "B3",
    "BACKED_UP_ATTRIBUTES",
    "C1",
    "C2",
    "COPY_ATTRIBUTES",
    "GOOD_ATTRIBUTES",
    "HOUR",
    "LABELS",
    "LOG_ATTRIBUTES",
    "MINUTE",
    "NAMES",
    "NEW_TOKEN",
    "NOW",
    "OFFICERS",
    "OVERSIGHT",
    "RESTORED_ATTRIBUTES",
    "SCRATCH",
    "SERIAL",
    "TRANSPORT_ATTRIBUTES",
    "Action",
    "Book",
    "PrivateKey",
    "SoftSigner",
    "approve",
    "backed_up",
    "backup_signer",
    "check_value_of",
    "clone",
    "clone_log_key",
    "cloned",
    "copied",
    "copy_of",
    "drill",
    "enroll",
    "enrolled",
    "facts",
    "first_keys",
    "generated_pair",
    "key_id_of",
    "log_key",
    "log_public_key",
    "make_attempt",
    "make_domains",
    "make_found",
    "make_outcome",
    "make_plan",
    "make_policy",
    "make_refusal",
    "make_roster",
    "make_signer",
    "person",
    "restore",
    "results_for",
    "seal",
    "sealer",
    "service_keys",
    "signer",
    "three_entries",
    "token_signer",
    "transport_key",
    "worked_on",
]


def make_policy(**keys: object) -> Policy:
    """The hub may exchange between B and E; ``keys``: fields of `KeyRules`."""
    return Policy(
        keys=KeyRules(**keys),  # type: ignore[arg-type]
        roles={
            "hub": RoleRule(
                pairs=(("sspin.B", "sspin.E"), ("sspin.E", "sspin.B"), ("resident", "sspin.C")),
                purposes=("exchange", "linking"),
                values_per_request=100,
                values_per_stream=1_000_000,
                values_per_minute=10_000,
            )
        },
    )


def make_domains() -> tuple[DomainSpec, ...]:
    """The scheme's own tree."""
    return tuple(
        DomainSpec(
            name=domain.name,
            title=f"番号 {domain.name}",
            parent=domain.parent,
            format=FormatSpec(alphabet=domain.format.alphabet, length=domain.format.length, check=domain.format.check),
        )
        for domain in default_domains()
    )


def make_found(**changes: object) -> Found:
    """Genesis' only action."""
    fields: dict[str, object] = {
        "token_label": "kagimori",
        "token_serial": SERIAL,
        "roster": make_roster(),
        "domains": make_domains(),
        "policy": make_policy(),
    }
    return Found(**{**fields, **changes})  # type: ignore[arg-type]


def make_plan(actions: Iterable[Action], *, state: LedgerState | None = None, **changes: object) -> Plan:
    """A plan that stands next after the state; any field can be changed."""
    fields: dict[str, object] = {
        "type": "kagimori/plan/v1",
        "sequence": 1 if state is None else state.sequence + 1,
        "previous": NO_PREVIOUS if state is None else state.head,
        "title": "鍵の生成 (keys for the sectors)",
        "created": render_instant(NOW),
        "expires": render_instant(NOW + 24 * HOUR),
        "rehearsal": False,
        "actions": tuple(actions),
    }
    return Plan(**{**fields, **changes})  # type: ignore[arg-type]


def approve(plan: Plan | bytes, who: Iterable[str | SoftSigner], at: datetime = NOW + MINUTE) -> bytes:
    """The authorization: the plan with everybody's signature; who signs twice does so a second later."""
    content = plan if isinstance(plan, bytes) else canonical.encode(plan)
    signers = [signer(one) if isinstance(one, str) else one for one in who]
    before = [signers[:place].count(one) for place, one in enumerate(signers)]
    return cms.merge(
        [cms.sign(content, one, at + timedelta(seconds=n)) for one, n in zip(signers, before, strict=True)]
    )


def make_outcome(plan: Plan, authorization: bytes, results: Iterable[ActionResult], **changes: object) -> Outcome:
    """The outcome of a plan; any field can be changed."""
    fields: dict[str, object] = {
        "type": "kagimori/outcome/v1",
        "sequence": plan.sequence,
        "plan": hashlib.sha256(canonical.encode(plan)).hexdigest(),
        "authorization": hashlib.sha256(authorization).hexdigest(),
        "started": render_instant(NOW + 2 * MINUTE),
        "finished": render_instant(NOW + 3 * MINUTE),
        "operator": "ito",
        "tool": "keyceremony 0.1.0",
        "token": facts(),
        "results": tuple(results),
        "durations": (),
    }
    fields["durations"] = tuple(1200 + 100 * number for number in range(len(fields["results"])))  # type: ignore[arg-type]
    return Outcome(**{**fields, **changes})  # type: ignore[arg-type]


def seal(outcome: Outcome, who: SoftSigner | None = None, at: datetime = NOW + 4 * MINUTE) -> bytes:
    """The outcome signed by the appliance's identity key, or by somebody else."""
    return cms.sign(canonical.encode(outcome), who or signer("appliance"), at)


def worked_on(state: LedgerState | None, plan: Plan) -> TokenFacts:
    """The appliance token a plan is carried out on: of a restore, the new one."""
    for action in plan.actions:
        if isinstance(action, Restore):
            return facts(action.token_serial, action.token_label)
    return facts() if state is None else facts(state.token_serial, state.token_label)


def sealer(state: LedgerState | None, plan: Plan) -> SoftSigner:
    """Who signs a plan's outcome: the appliance, or the backup token that a restore copies from."""
    for action in plan.actions:
        if isinstance(action, Restore):
            return backup_signer(action.source)
    return token_signer(SERIAL if state is None else state.token_serial)


def make_attempt(sequence: int, who: SoftSigner | None = None, **changes: object) -> bytes:
    """A failed attempt, signed by the appliance's identity key or somebody else; any field can be changed."""
    fields: dict[str, object] = {
        "type": "kagimori/attempt/v1",
        "sequence": sequence,
        "plan": "ab" * 32,
        "started": render_instant(NOW),
        "ended": render_instant(NOW + MINUTE),
        "operator": "ito",
        "tool": "keyceremony 0.1.0",
        "token": facts(),
        "ended_by": "failure",
        "reason": "generate sspin.E.2: the token went away",
        "step": "1 generate sspin.E.2: begun",
        "removed": (key_id_of("half made"),),
        "left": (),
    }
    made = Attempt(**{**fields, **changes})  # type: ignore[arg-type]
    return cms.sign(canonical.encode(made), who or signer("appliance"), NOW + MINUTE)


def make_refusal(sequence: int, name: str = "kato", who: SoftSigner | None = None, **changes: object) -> bytes:
    """Somebody's refusal, signed by them or by somebody else; any field can be changed."""
    fields: dict[str, object] = {
        "type": "kagimori/refusal/v1",
        "sequence": sequence,
        "plan": "ab" * 32,
        "person": name,
        "reason": "二人目の立会人がいない",
        "at": render_instant(NOW + MINUTE),
    }
    made = Refusal(**{**fields, **changes})  # type: ignore[arg-type]
    return cms.sign(canonical.encode(made), who or signer(name), NOW + MINUTE)


@dataclass
class Book:
    """A ledger that grows: its files, and the states after 0, 1, 2 ... entries."""

    files: dict[str, bytes] = field(default_factory=dict)
    states: list[LedgerState | None] = field(default_factory=lambda: [None])
    anchor: str = ""

    @property
    def state(self) -> LedgerState:
        """The newest state; there must be one."""
        newest = self.states[-1]
        assert newest is not None
        return newest

    def add(
        self,
        actions: Iterable[Action],
        who: Iterable[str | SoftSigner] = (*OFFICERS, "ueda"),
        beside: Mapping[str, bytes] | None = None,
    ) -> LedgerState:
        """Agree on a plan, carry it out, and verify the entry, with the annexes ``beside`` it."""
        before, beside = self.states[-1], beside or {}
        plan = make_plan(actions, state=before)
        authorization = approve(plan, who)
        told = results_for(before, plan)
        made = make_outcome(plan, authorization, told, token=worked_on(before, plan), annexes=annexes.digests(beside))
        outcome = seal(made, sealer(before, plan))
        if before is None:
            self.anchor = chain.anchor_of(canonical.encode(plan))
        entry = chain.verify_entry(before, authorization, outcome, self.anchor, beside)
        self.files[chain.authorization_name(entry.sequence)] = authorization
        self.files[chain.outcome_name(entry.sequence)] = outcome
        self.files.update(beside)
        self.states.append(entry.state)
        return entry.state

    def fork(self) -> Book:
        """A copy that can grow without this one."""
        return Book(dict(self.files), list(self.states), self.anchor)


def first_keys(backups: tuple[str, ...] = ()) -> list[Action]:
    """The keys that a founded ledger needs first, generated and activated."""
    generations = [("common.1", None), ("spin.1", None), ("sspin.B.1", "spin.1"), ("sspin.E.1", "spin.1")]
    actions: list[Action] = [Generate(generation=text, parent=up, backups=backups) for text, up in generations]
    return actions + [Activate(generation=text) for text, _ in generations]


def service_keys(backups: tuple[str, ...] = ()) -> list[Action]:
    """The first log key and the first tag key, generated and activated."""
    made: list[Action] = [
        Generate(generation="log.1", parent=None),
        Generate(generation="tag.1", parent=None, backups=backups),
    ]
    return [*made, Activate(generation="log.1"), Activate(generation="tag.1")]


def enroll(serial: str, copy_from: str | None = None) -> EnrollBackup:
    """The action that enrolls a backup token."""
    return EnrollBackup(token_label=LABELS[serial], token_serial=serial, copy_from=copy_from)


def clone(serial: str, source: str = B1, log_name: str | None = None) -> EnrollClone:
    """The action that enrols a clone."""
    return EnrollClone(token_label=LABELS[serial], token_serial=serial, source=source, log_name=log_name)


def restore(
    source: str, serial: str = NEW_TOKEN, lost: tuple[str, ...] = (), lost_backups: tuple[str, ...] = ()
) -> Restore:
    """The action that puts a new appliance token in the place of the old one."""
    named = {"lost": lost, "lost_backups": lost_backups}
    return Restore(token_label=LABELS[serial], token_serial=serial, source=source, **named)


def drill(source: str) -> Drill:
    """The action that rehearses recovery."""
    return Drill(token_label=LABELS[SCRATCH], token_serial=SCRATCH, source=source)


def three_entries() -> Book:
    """Genesis, the first keys, and a second generation for sector B."""
    book = Book()
    book.add([make_found()])
    book.add(first_keys(), ("ito", "sato", "ueda"))
    book.add(
        [Generate(generation="sspin.B.2", parent="spin.1"), Activate(generation="sspin.B.2")], ("sato", "mori", "kato")
    )
    return book


def backed_up() -> Book:
    """Genesis, a backup token, the first keys with copies there, and a second backup token with copies of them.

    The policy demands one copy before a key is activated.
    """
    book = Book()
    book.add([make_found(policy=make_policy(backups=1))])
    book.add([enroll(B1)])
    book.add(first_keys((B1,)))
    book.add([enroll(B2, copy_from=B1)])
    return book


def cloned() -> Book:
    """As `backed_up`, with service keys, a clone that serves engines, and one that keeps the log ``osaka``."""
    book = backed_up()
    book.add(service_keys((B1, B2)))
    book.add([clone(C1)])
    book.add([clone(C2, log_name="osaka")])
    return book

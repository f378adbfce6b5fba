"""Making ledgers in memory for tests: people with software keys, an appliance, plans and outcomes.

The signatures, certificates and checks are the real ones; only the keys are in memory instead of
on tokens. Everything here is deterministic except the keys, which are made once a process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from appliance.ledger import canonical, chain, cms, states
from appliance.ledger.actions import Action, Activate, DomainSpec, FormatSpec, Found, Generate
from appliance.ledger.certificate import self_signed
from appliance.ledger.fold import LedgerState, plan_effects
from appliance.ledger.outcome import ActionResult, Founded, Generated, Outcome, StateChanged, TokenFacts
from appliance.ledger.plan import NO_PREVIOUS, Plan
from appliance.ledger.policy import Policy, RoleRule
from appliance.ledger.roster import DEFAULT_THRESHOLDS, Person, Role, Roster, Threshold, encode_certificate
from appliance.ledger.text import render_instant
from appliance.numbers.domains import default_domains

NOW = datetime(2026, 4, 1, 9, 0, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
SERIAL = "0123456789abcdef"
GOOD_ATTRIBUTES: dict[str, bool | int | str] = {
    "class": "secret_key",
    "key_type": "aes",
    "value_len": 32,
    "token": True,
    "private": True,
    "sensitive": True,
    "always_sensitive": True,
    "never_extractable": True,
    "local": True,
    "encrypt": True,
    "extractable": False,
    "decrypt": False,
    "sign": False,
    "verify": False,
    "wrap": False,
    "unwrap": False,
    "derive": False,
}

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class SoftSigner:
    """A `cms.Signer` with its key in memory."""

    key: PrivateKey
    certificate: bytes
    hash: hashes.HashAlgorithm = field(default_factory=hashes.SHA256)

    def sign(self, message: bytes) -> bytes:
        """Signature value as CMS wants it."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return self.key.sign(message, padding.PKCS1v15(), self.hash)
        return self.key.sign(message, ec.ECDSA(self.hash))


def make_signer(
    name: str,
    key: PrivateKey | None = None,
    *,
    not_before: datetime = NOW - timedelta(days=30),
    not_after: datetime = NOW + timedelta(days=3650),
) -> SoftSigner:
    """A new key (P-256 unless given) with a self-signed certificate."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    bare = SoftSigner(key, b"")
    return SoftSigner(key, self_signed(name, spki, bare.sign, not_before, not_after))


@cache
def signer(name: str) -> SoftSigner:
    """The signer of that name, the same throughout the process; one of them has RSA, one P-384."""
    if name == "ito":
        return make_signer(name, rsa.generate_private_key(public_exponent=65537, key_size=2048))
    if name == "ueda":
        return make_signer(name, ec.generate_private_key(ec.SECP384R1()))
    return make_signer(name)


OFFICERS = ("ito", "sato", "mori")
OVERSIGHT = ("ueda", "kato")
NAMES = {"ito": "伊藤 一郎", "sato": "佐藤　花子", "mori": "森 次郎", "ueda": "上田 恵", "kato": "加藤 実"}


def person(name: str, role: Role, who: SoftSigner | None = None) -> Person:
    """A roster entry."""
    certificate = encode_certificate((who or signer(name)).certificate)
    return Person(id=name, name=NAMES.get(name, name), role=role, certificate=certificate)


def make_roster(people: Sequence[Person] | None = None, thresholds: dict[str, Threshold] | None = None) -> Roster:
    """Three officers and two oversight members, unless told otherwise."""
    everyone = [person(name, "officer") for name in OFFICERS] + [person(name, "oversight") for name in OVERSIGHT]
    return Roster(people=tuple(people or everyone), thresholds={**DEFAULT_THRESHOLDS, **(thresholds or {})})


def make_policy() -> Policy:
    """The hub may exchange between B and E."""
    return Policy(
        roles={
            "hub": RoleRule(
                pairs=(("sspin.B", "sspin.E"), ("sspin.E", "sspin.B"), ("resident", "sspin.C")),
                purposes=("exchange", "linking"),
                values_per_request=100,
                values_per_stream=1_000_000,
                values_per_minute=10_000,
            )
        }
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
    """The authorization: the plan with everybody's signature."""
    content = plan if isinstance(plan, bytes) else canonical.encode(plan)
    signers = [signer(one) if isinstance(one, str) else one for one in who]
    return cms.merge([cms.sign(content, one, at) for one in signers])


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
    return tuple(
        Generated(
            generation=effect.subject,
            key_id=key_id_of(effect.subject),
            check_value=check_value_of(effect.subject),
            attributes=GOOD_ATTRIBUTES,
        )
        if isinstance(action, Generate)
        else StateChanged(generation=effect.subject, state=(effect.after or states.KeyState.DESTROYED).value)
        for action, effect in zip(plan.actions, plan_effects(state, plan), strict=True)
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
        "token": TokenFacts(label="kagimori", serial=SERIAL, manufacturer="SoftHSM project", model="SoftHSM v2"),
        "results": tuple(results),
    }
    return Outcome(**{**fields, **changes})  # type: ignore[arg-type]


def seal(outcome: Outcome, who: SoftSigner | None = None, at: datetime = NOW + 4 * MINUTE) -> bytes:
    """The outcome signed by the appliance's identity key, or by somebody else."""
    return cms.sign(canonical.encode(outcome), who or signer("appliance"), at)


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

    def add(self, actions: Iterable[Action], who: Iterable[str] = (*OFFICERS, "ueda")) -> LedgerState:
        """Agree on a plan, carry it out, and verify the entry."""
        before = self.states[-1]
        plan = make_plan(actions, state=before)
        authorization = approve(plan, who)
        outcome = seal(make_outcome(plan, authorization, results_for(before, plan)))
        if before is None:
            self.anchor = chain.anchor_of(canonical.encode(plan))
        entry = chain.verify_entry(before, authorization, outcome, self.anchor)
        self.files[chain.authorization_name(entry.sequence)] = authorization
        self.files[chain.outcome_name(entry.sequence)] = outcome
        self.states.append(entry.state)
        return entry.state


def first_keys() -> list[Action]:
    """The keys that a founded ledger needs first, generated and activated."""
    generations = [("common.1", None), ("spin.1", None), ("sspin.B.1", "spin.1"), ("sspin.E.1", "spin.1")]
    actions: list[Action] = [Generate(generation=text, parent=parent) for text, parent in generations]
    return actions + [Activate(generation=text) for text, _ in generations]


def three_entries() -> Book:
    """Genesis, the first keys, and a second generation for sector B."""
    book = Book()
    book.add([make_found()])
    book.add(first_keys(), ("ito", "sato", "ueda"))
    book.add(
        [Generate(generation="sspin.B.2", parent="spin.1"), Activate(generation="sspin.B.2")], ("sato", "mori", "kato")
    )
    return book

"""Carrying out an approved plan: the only code that changes the appliance's token.

Everything that can be verified is verified first (`keyceremony.prepare`). Then come the token's part, a signed
outcome, the verification of the whole new ledger in memory, and only then the ledger's two files. Whatever
fails before these are safe on disk takes the keys made on the way with it; the machine itself dying in
between is the one case left to people (docs/ceremony.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from appliance.ledger import canonical, certificate, chain, cms, outcome
from appliance.ledger.actions import Action, Found, Generate
from appliance.ledger.attributes import require_conversion_key
from appliance.ledger.errors import WrongToken
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import KeyBook
from appliance.ledger.outcome import ActionResult, Founded, Generated, Outcome, StateChanged, TokenFacts
from appliance.ledger.roster import encode_certificate
from appliance.ledger.text import render_instant
from appliance.numbers.domains import Generation
from appliance.token.token import Token
from keyceremony import staging
from keyceremony.creations import Creations, undisturbed
from keyceremony.errors import KeyLabelTaken, PlanRefused, TokenNotEmpty
from keyceremony.prepare import Prepared
from keyceremony.selftest import self_test

IDENTITY_LABEL = "identity"
_NO_EXPIRY = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)  # RFC 5280, 4.1.2.5: no well-defined end


@dataclass(frozen=True)
class Run:
    """Who carries the plan out, with what, and how it is told; ``progress`` is called before each action."""

    operator: str
    tool: str
    progress: Callable[[int, Action], None] = lambda number, action: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)


def execute(prepared: Prepared, token: Token, run: Run) -> LedgerState:
    """Carry out the plan on the opened, writable token and add the entry to the ledger.

    Raises:
        WrongToken, TokenNotEmpty, KeyLabelTaken, KeyMissing: refused before anything was made.
        ExecutionFailed: what was made in this run was destroyed again, or what was not; it says which.
        InterruptedRun: carried out, but the ledger's folder could not be written; run it again.
    """
    _check_token(prepared, token)
    with Creations(token) as creations:
        started = run.clock()
        results, identity = _Work(prepared, token, run, creations).carry_out()
        happened = _outcome(prepared, token, run, started, results)
        signer = token.signer(identity.certificate, key_id=identity.key_id)
        signed = cms.sign(canonical.encode(happened), signer, run.clock())
        names = chain.authorization_name(happened.sequence), chain.outcome_name(happened.sequence)
        grown = {**prepared.held, names[0]: prepared.authorization, names[1]: signed}
        state = chain.verify(grown, prepared.anchor)
        with undisturbed():  # once staged, the keys stay, and the rest is completed whatever happens
            staging.stage(prepared.ledger, happened.sequence, prepared.authorization, signed)
            creations.keep()
            staging.complete(prepared.ledger, prepared.anchor, prepared.paper.data, happened.sequence)
    return state


def _check_token(prepared: Prepared, token: Token) -> None:
    serial = token.facts.serial
    if serial != prepared.token_serial:
        raise WrongToken(
            f"token: serial {serial!r}; the plan needs {prepared.token_serial!r}", "use the appliance's own token"
        )
    labels = {str(token.attributes(key_id).get("label", "")) for key_id in token.key_ids()}
    if prepared.state is None and labels:
        raise TokenNotEmpty(
            f"token {token.facts.label}: holds keys already ({', '.join(sorted(labels))})",
            "a ledger begins with an empty token: initialise one, and draft the genesis with its serial number",
        )
    wanted = {action.generation for action in prepared.paper.plan.actions if isinstance(action, Generate)}
    if prepared.state is not None:  # without the identity key no outcome could be signed
        token.signer(prepared.state.identity_certificate, key_id=prepared.state.identity_key_id)
    for label in sorted(wanted & labels):
        raise KeyLabelTaken(
            f"token {token.facts.label}: holds a key {label} that the ledger does not know",
            "an old ledger, or a run that was cut off: see docs/ceremony.md, and keyceremony status --token",
        )


@dataclass(frozen=True)
class _Identity:
    key_id: bytes
    certificate: bytes


class _Work:
    """One run over a plan's actions."""

    def __init__(self, prepared: Prepared, token: Token, run: Run, creations: Creations) -> None:
        self._plan = prepared.paper.plan
        self._state = prepared.state
        self._token = token
        self._run = run
        self._creations = creations

    def carry_out(self) -> tuple[tuple[ActionResult, ...], _Identity]:
        """The results of all actions, and the key that signs them."""
        first = self._plan.actions[0]
        if isinstance(first, Found):
            self._run.progress(1, first)
            return self._found()
        if self._state is None:
            raise PlanRefused("the ledger is empty: only a genesis plan can be its first")
        book = KeyBook(self._state.tree, self._state.keys)
        results = tuple(self._one(number, action, book) for number, action in enumerate(self._plan.actions, 1))
        return results, _Identity(self._state.identity_key_id, self._state.identity_certificate)

    def _one(self, number: int, action: Action, book: KeyBook) -> ActionResult:
        self._run.progress(number, action)
        if isinstance(action, Found):
            raise PlanRefused("found belongs to genesis only")
        if isinstance(action, Generate):
            result = self._generate(action, book)
            book.carry_out(action, key_id=bytes.fromhex(result.key_id))
            return result
        effect = book.carry_out(action)
        return StateChanged(generation=action.generation, state=str(effect.after))

    def _generate(self, action: Generate, book: KeyBook) -> Generated:
        key_id = self._creations.new_id()
        self._token.generate_conversion_key(key_id, action.generation)
        attributes = self._token.attributes(key_id)
        require_conversion_key(action.generation, attributes)
        check_value = self._token.check_value(key_id)
        domain = book.tree[Generation.parse(action.generation).domain]
        self_test(self._token.encrypt_blocks(key_id, check_value), domain)
        return Generated(
            generation=action.generation,
            key_id=key_id.hex(),
            check_value=check_value.hex(),
            attributes=attributes,
        )

    def _found(self) -> tuple[tuple[ActionResult, ...], _Identity]:
        key_id = self._creations.new_id()
        public = self._token.generate_signing_key(key_id, IDENTITY_LABEL)
        signer = self._token.signer(b"", key_id=key_id)
        name = f"Kagimori {self._token.facts.label}"
        der = certificate.self_signed(name, public, signer.sign, self._run.clock(), _NO_EXPIRY)
        self._token.store_certificate(key_id, IDENTITY_LABEL, der)
        return (Founded(key_id=key_id.hex(), certificate=encode_certificate(der)),), _Identity(key_id, der)


def _outcome(
    prepared: Prepared, token: Token, run: Run, started: datetime, results: tuple[ActionResult, ...]
) -> Outcome:
    facts = token.facts
    happened = Outcome(
        type="kagimori/outcome/v1",
        sequence=prepared.paper.plan.sequence,
        plan=prepared.paper.digest,
        authorization=hashlib.sha256(prepared.authorization).hexdigest(),
        started=render_instant(started),
        finished=render_instant(run.clock()),
        operator=run.operator,
        tool=run.tool,
        token=TokenFacts(label=facts.label, serial=facts.serial, manufacturer=facts.manufacturer, model=facts.model),
        results=results,
    )
    outcome.validate(happened)
    return happened

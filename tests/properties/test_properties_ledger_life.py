"""Properties of whole ledgers: whatever people try, legal or not, the state they reach is sound, and verifies."""

from __future__ import annotations

from functools import cache

import ledgerkit
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.ledger import chain, fold, servicekeys, services
from appliance.ledger.actions import (
    Action,
    Activate,
    AddDomain,
    ChangePolicy,
    ChangeRoster,
    Destroy,
    Generate,
    Ratify,
    RemoveBackup,
    Restore,
    Restrict,
    Resume,
    Retire,
    Suspend,
    action_name,
)
from appliance.ledger.errors import LedgerError
from appliance.ledger.fold import LedgerState
from appliance.ledger.roster import Roster, encode_certificate
from appliance.ledger.states import GONE, KeyState

SLOW = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = (Activate, Restrict, Suspend, Ratify, Resume, Retire, Destroy)
BACKUPS = (ledgerkit.B1, ledgerkit.B2, ledgerkit.B3)
COPIES = ((), BACKUPS[:1], BACKUPS[1:2], BACKUPS[:2], BACKUPS)
NUMBERS = ("spin.1", "spin.2", "sspin.B.1", "sspin.B.2", "sspin.B.3", "sspin.E.1", "sspin.G.1")
GENERATIONS = (*NUMBERS, "log.1", "log.2", "tag.1", "tag.2")


def sector(name: str) -> AddDomain:
    """A new sector of the usual format."""
    return AddDomain(domain=msgspec.structs.replace(ledgerkit.make_domains()[-1], name=name))


@cache
def rosters() -> tuple[Roster, ...]:
    """The kit's, one with somebody more, and one in which an officer has a new certificate."""
    people = ledgerkit.make_roster().people
    renewed = ledgerkit.person("ito", "officer", ledgerkit.signer("ito, again"))
    more = ledgerkit.make_roster([*people, ledgerkit.person("nagai", "officer")])
    return ledgerkit.make_roster(), more, ledgerkit.make_roster([renewed, *people[1:]])


EVERYBODY = (*ledgerkit.OFFICERS, *ledgerkit.OVERSIGHT, "nagai", "ito, again")


@cache
def moves() -> dict[str, list[Action]]:
    """Everything that may be tried, by kind."""
    parents = {text: ("spin.1", "spin.2") if text.startswith("sspin") else (None,) for text in GENERATIONS}
    steps: list[Action] = [
        Generate(generation=text, parent=parent, backups=copies)
        for text in GENERATIONS
        for parent in parents[text]
        for copies in COPIES
    ]
    steps += [kind(generation=text) for kind in KINDS for text in GENERATIONS]
    for serial in BACKUPS:
        steps += [ledgerkit.enroll(serial, source) for source in (None, *BACKUPS)]
        steps += [RemoveBackup(token_serial=serial, lost=lost) for lost in (True, False)]
        steps += [
            ledgerkit.restore(serial, target, lost)
            for target in (ledgerkit.SERIAL, ledgerkit.NEW_TOKEN)
            for lost in ((), ("sspin.B.1",))
        ]
        steps.append(ledgerkit.drill(serial))
    steps += [ChangePolicy(policy=ledgerkit.make_policy(backups=copies)) for copies in range(4)]
    steps += [sector(name) for name in ("sspin.E", "sspin.G", "sspin.H")]
    steps += [ChangeRoster(roster=roster) for roster in rosters()]
    by_kind: dict[str, list[Action]] = {}
    for step in steps:
        by_kind.setdefault(action_name(step), []).append(step)
    return by_kind


def draw_step(data: st.DataObject, state: LedgerState) -> Action:
    """Something legal if there is any of its kind, three times out of four; anything at all otherwise."""
    steps = moves()[data.draw(st.sampled_from(sorted(moves())))]
    if isinstance(steps[0], Restore):
        steps = [*steps, *(msgspec.structs.replace(step, lost=bare(state)) for step in steps)]
    if data.draw(st.integers(0, 3)):
        steps = [step for step in steps if legal(state, step)] or steps
    return data.draw(st.sampled_from(steps))


def bare(state: LedgerState) -> tuple[str, ...]:
    """The keys that are on no backup token."""
    live = [(generation, key) for generation, key in sorted(state.keys.items()) if key.state not in GONE]
    return tuple(str(generation) for generation, key in live if not key.copies)


@cache
def backed_up() -> ledgerkit.Book:
    """The ledger that random ones go on from."""
    return ledgerkit.backed_up()


def legal(state: LedgerState, step: Action) -> bool:
    """Whether the action may be planned."""
    try:
        fold.plan_effects(state, ledgerkit.make_plan([step], state=state))
    except LedgerError:
        return False
    return True


def after(state: LedgerState, step: Action) -> LedgerState | None:
    """The state after one action more, or None if it is refused, which is known before anything is done."""
    if not legal(state, step):
        return None
    plan = ledgerkit.make_plan([step], state=state)
    told, token = ledgerkit.results_for(state, plan), ledgerkit.worked_on(state, plan)
    return fold.apply(state, plan, ledgerkit.make_outcome(plan, b"", told, token=token), "ab" * 32, state.anchor)


def require_sound(state: LedgerState) -> None:
    """What holds in every state there can be."""
    ended = GONE | {KeyState.RETIRED}
    for generation, key in state.keys.items():
        assert key.generation == generation
        assert (generation.domain in state.tree) != (generation.domain in services.SERVICE)
        assert key.parent is None or generation.domain not in services.SERVICE
        assert bool(key.public_key) == (generation.domain == services.LOG)
        assert not key.public_key or not key.copies, "there is one signer"
        assert key.copies <= set(state.backups), "copies are on enrolled backup tokens"
        assert key.state not in GONE or not key.copies
        above = state.keys[key.parent].state if key.parent else KeyState.ACTIVE
        assert key.state in ended or above not in ended or above is KeyState.LOST, "nothing stands on what was ended"
        assert (key.before_suspension is not None) == (key.state is KeyState.SUSPENDED)
        assert key.state is KeyState.SUSPENDED or not key.ratified
    assert set(servicekeys.log_keys(state)) == {
        g for g, key in state.keys.items() if g.domain == "log" and key.activated
    }
    assert servicekeys.current_tag(state) in (None, *servicekeys.readable_tags(state)[:1])
    for domain, generation in state.current.items():
        assert generation.domain == domain and state.keys[generation].state is KeyState.ACTIVE
    assert set(state.drills) <= set(state.backups)
    assert state.token_serial not in state.backups
    ids = [key.key_id for key in state.keys.values()] + [state.identity_key_id]
    for backup in state.backups.values():
        ids += [backup.transport_id, backup.trusted_id, backup.identity_key_id]
        assert backup.identity_certificate and backup.transport_key
    assert len(set(ids)) == len(ids), "no identifier has two meanings"


def require_follows(before: LedgerState, now: LedgerState) -> None:
    """What holds from one state to the next."""
    assert now.sequence == before.sequence + 1
    assert set(before.keys) <= set(now.keys), "no record is forgotten"
    for generation, key in before.keys.items():
        later = now.keys[generation]
        same = (key.key_id, key.check_value, key.parent, key.origin, key.public_key)
        assert (later.key_id, later.check_value, later.parent, later.origin, later.public_key) == same
        assert key.state not in GONE or later == key, "a key that is gone never comes back"
        lost = later.state is KeyState.LOST and key.state is not KeyState.LOST
        assert not lost or (now.restored == now.sequence and not key.copies), "a restore loses what has no copy"
        assert later.copies <= key.copies or set(now.backups) > set(before.backups), "copies come with a new token only"


@settings(SLOW, max_examples=100)
@given(st.data(), st.integers(10, 40))
def test_whatever_is_tried_the_state_stays_sound(data: st.DataObject, length: int) -> None:
    state = backed_up().state
    for _ in range(length):
        now = after(state, draw_step(data, state))
        if now is not None:
            require_sound(now)
            require_follows(state, now)
            state = now


@settings(SLOW, max_examples=10)
@given(st.data(), st.integers(5, 20))
def test_what_was_folded_step_by_step_verifies_as_a_ledger(data: st.DataObject, length: int) -> None:
    """Signed by everybody concerned; the files alone give the same states, entry by entry."""
    book = backed_up().fork()
    for _ in range(length):
        step = draw_step(data, book.state)
        if after(book.state, step) is None:
            continue
        there = {person.certificate for person in book.state.roster.people}
        if isinstance(step, ChangeRoster):
            there |= {person.certificate for person in step.roster.people}
        certificates = {name: encode_certificate(ledgerkit.signer(name).certificate) for name in EVERYBODY}
        book.add([step], [name for name, one in certificates.items() if one in there])
    entries = chain.verify_entries(book.files, book.anchor)
    assert len(entries) == len(book.files) // 2 == len(book.states) - 1
    for entry, state in zip(entries, book.states[1:], strict=True):
        assert state is not None
        assert (entry.state.head, entry.state.keys, entry.state.backups) == (state.head, state.keys, state.backups)
        assert (entry.state.roster, entry.state.policy) == (state.roster, state.policy)

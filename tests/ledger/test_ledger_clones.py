"""Clones: tokens that convert beside the appliance's, enrolled with every key, kept up to date, and removed."""

from __future__ import annotations

import functools
import json

import msgspec
import pytest
from foldkit import altered, applied, effects, forbidden, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from ledgerkit import (
    B1,
    B2,
    B3,
    C1,
    C2,
    COPY_ATTRIBUTES,
    LOG_ATTRIBUTES,
    NEW_TOKEN,
    RESTORED_ATTRIBUTES,
    SERIAL,
    Book,
    check_value_of,
    clone,
    clone_log_key,
    cloned,
    drill,
    enroll,
    facts,
    generated_pair,
    key_id_of,
    log_public_key,
    make_plan,
    restore,
    results_for,
)

from appliance import configuration
from appliance.ledger import chain, publickey, servicekeys, services
from appliance.ledger.actions import (
    Action,
    Activate,
    Destroy,
    EnrollClone,
    Generate,
    LogName,
    RemoveBackup,
    RemoveClone,
    Restrict,
    Retire,
    Suspend,
    UpdateClone,
)
from appliance.ledger.book import Book as StateBook
from appliance.ledger.errors import (
    AttributesRefused,
    CertificateInvalid,
    IllegalAction,
    KeyReused,
    LedgerError,
    OutcomeMismatch,
)
from appliance.ledger.fold import LedgerState
from appliance.ledger.outcome import ActionResult, CloneEnrolled, Destroyed
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation

KEYS = ("common.1", "spin.1", "sspin.B.1", "sspin.E.1", "tag.1")
NEXT = Generate(generation="sspin.E.2", parent="spin.1", backups=(B1,))
USE = Activate(generation="sspin.E.2")
UPDATE = UpdateClone(token_serial=C1, source=B1)
ALSO = UpdateClone(token_serial=C2, source=B1)
OSAKA = log_public_key(f"clone {C2}")


_whole = functools.cache(cloned)


@pytest.fixture(scope="module")
def tokyo() -> Book:
    """Two backup tokens, a clone without a log, and one that keeps the log ``osaka``; treat as read-only."""
    return _whole()


def on_clones(state: LedgerState) -> dict[str, set[str]]:
    return {str(generation): set(key.clones) for generation, key in state.keys.items()}


def gen(text: str) -> Generation:
    return Generation.parse(text)


# --- enrolling --------------------------------------------------------------------------------------------------------


def test_the_ledger_verifies_and_knows_its_clones(tokyo: Book) -> None:
    state = chain.verify(tokyo.files, tokyo.anchor)
    assert list(state.clones) == [C1, C2]
    engines, osaka = state.clones.values()
    assert (engines.label, engines.serial, engines.enrolled, engines.log_name) == ("clone-1", C1, 6, None)
    assert (engines.log_key_id, engines.log_public_key) == (b"", b"")
    assert (osaka.label, osaka.enrolled, osaka.log_name) == ("clone-2", 7, "osaka")
    assert (osaka.log_key_id.hex(), osaka.log_public_key) == (key_id_of(f"log {C2}"), OSAKA)
    assert on_clones(state) == {"log.1": set()} | {key: {C1, C2} for key in KEYS}, "no log key"
    assert set(state.backups) == {B1, B2}, "a clone is no backup"


def test_what_it_does_in_words(tokyo: Book) -> None:
    (effect,) = effects(tokyo.states[5], clone(C1))  # type: ignore[arg-type]
    assert (effect.subject, effect.before, effect.after) == ("clone-1", None, "clone")
    (effect,) = effects(applied(tokyo.state, [NEXT]), UPDATE)
    assert (effect.subject, effect.before, effect.after) == ("clone-1", "5 keys", "6 keys")
    for lost, word in ((True, "lost"), (False, "emptied")):
        (effect,) = effects(tokyo.state, RemoveClone(token_serial=C2, lost=lost))
        assert (effect.subject, effect.before, effect.after) == ("clone-2", "clone", word)


@pytest.mark.parametrize("serial", [SERIAL, B1, C1])
def test_a_token_with_a_part_in_the_ledger_becomes_no_clone(tokyo: Book, serial: str) -> None:
    action = msgspec.structs.replace(clone(C1), token_serial=serial)
    told = forbidden(IllegalAction, tokyo.state, action)
    assert told == f"action 1: enroll-clone: token {serial} has a part in this ledger already"


def test_a_clone_becomes_nothing_else(tokyo: Book) -> None:
    for other in (enroll(B3, copy_from=B1), drill(B1), restore(B1, lost=("log.1",))):
        action = msgspec.structs.replace(other, token_serial=C1)
        told = forbidden(IllegalAction, tokyo.state, action)
        assert told.endswith(f"token {C1} has a part in this ledger already")


@pytest.mark.parametrize("label", ["kagimori", "backup-1", "clone-1"])
def test_a_clone_has_a_label_of_its_own(tokyo: Book, label: str) -> None:
    action = msgspec.structs.replace(clone(C1), token_serial="another", token_label=label)
    assert forbidden(IllegalAction, tokyo.state, action) == (
        f"action 1: enroll-clone: another token of this ledger is labelled {label}; give the clone its own"
    )


@pytest.mark.parametrize("source", [SERIAL, B3, C1])
def test_only_a_backup_token_gives_keys(tokyo: Book, source: str) -> None:
    known = f"token {source} is no backup token of this ledger; it has: {B1}, {B2}"
    later = applied(tokyo.state, [NEXT])
    new = msgspec.structs.replace(clone(C1, source), token_serial=B3, token_label="another")
    for action in (new, UpdateClone(token_serial=C2, source=source)):
        assert forbidden(IllegalAction, later, action).endswith(known)


def test_a_clone_gets_every_key_or_is_none(backed: Book) -> None:
    only_second = applied(backed.state, [msgspec.structs.replace(NEXT, backups=(B2,))])
    assert forbidden(IllegalAction, only_second, clone(C1, B1)) == (
        f"action 1: enroll-clone: backup token {B1} has no copy of sspin.E.2; a clone gets every key."
        f" Take one that has them, or enrol one with the copies of {B2}"
    )
    assert "sspin.E.2" in on_clones(applied(only_second, [clone(C1, B2)]))
    bare = applied(backed.state, [msgspec.structs.replace(NEXT, backups=())])
    assert forbidden(IllegalAction, bare, clone(C1, B1)) == (
        "action 1: enroll-clone: sspin.E.2: on no backup token, so no clone can have it; a clone gets every key"
    )


def test_a_ledger_without_keys_has_nothing_for_a_clone(backed: Book) -> None:
    assert forbidden(IllegalAction, backed.states[2], clone(C1)) == (  # type: ignore[arg-type]
        "action 1: enroll-clone: there is no key yet that a clone could get"
    )


def test_retired_keys_are_brought_and_destroyed_ones_not(backed: Book) -> None:
    ended = [kind(generation=text) for text in ("sspin.B.1", "sspin.E.1") for kind in (Suspend, Retire)]
    state = applied(backed.state, [*ended, Destroy(generation="sspin.E.1")])
    found = on_clones(applied(state, [clone(C1)]))
    assert (found["sspin.B.1"], found["sspin.E.1"]) == ({C1}, set())


def test_every_log_has_its_own_name(tokyo: Book) -> None:
    again = msgspec.structs.replace(clone(C1, log_name="osaka"), token_serial="another", token_label="another")
    assert forbidden(IllegalAction, tokyo.state, again) == (
        "action 1: enroll-clone: clone clone-2 keeps the log osaka already; every log has its own name"
    )
    assert forbidden(IllegalAction, tokyo.state, msgspec.structs.replace(again, log_name="main")) == (
        "action 1: enroll-clone: main is the log of the appliance that the ledger was founded on"
    )


def test_a_log_is_called_as_in_a_configuration() -> None:
    assert msgspec.inspect.type_info(LogName) == msgspec.inspect.type_info(configuration.LogName)
    assert configuration.AuditSection.__struct_defaults__[0] == services.MAIN_LOG


# --- what an outcome may tell -----------------------------------------------------------------------------------------

FRESH = clone(C2, log_name="osaka")


@pytest.fixture(scope="module")
def before(tokyo: Book) -> LedgerState:
    """Before the clone with a log was enrolled."""
    state = tokyo.states[6]
    assert state is not None
    return state


@pytest.mark.parametrize(
    ("error", "changes", "reason"),
    [
        (OutcomeMismatch, {"token": facts(C1)}, "the outcome tells of something else"),
        (OutcomeMismatch, {"token": facts(C2, "clone-9")}, "the outcome tells of something else"),
        (OutcomeMismatch, {"keys": ()}, "the keys copied are not those of the ledger, one by one"),
        (OutcomeMismatch, {"log_key": None}, "a clone with a log has a log key, others none"),
        (OutcomeMismatch, {"log_key": clone_log_key(C2, check_value=check_value_of("x"))}, "has the check value"),
        (KeyReused, {"log_key": clone_log_key(C2, key_id="00" * 16)}, "is not random"),
        (KeyReused, {"log_key": clone_log_key(C2, key_id=key_id_of("spin.1"))}, "is taken already"),
        (KeyReused, {"log_key": clone_log_key(C2, key_id=key_id_of("identity"))}, "is taken already"),
        (KeyReused, {"log_key": clone_log_key(C2, key_id=key_id_of(f"transport {B1}"))}, "is taken already"),
        (CertificateInvalid, {"log_key": clone_log_key(C2, public_key="AAAA")}, "log key of clone-2: public_key: not"),
    ],
)
def test_what_an_enrolment_must_not_tell(
    before: LedgerState, error: type[LedgerError], changes: dict[str, object], reason: str
) -> None:
    told = refused(error, before, [FRESH], altered(before, FRESH, **changes))
    assert told.startswith("action 1: ") and reason in told


def test_a_clone_without_a_log_tells_of_no_log_key(tokyo: Book) -> None:
    state, action = tokyo.states[5], clone(C1)
    assert state is not None
    told = altered(state, action, log_key=clone_log_key(C1))
    assert "others none" in refused(OutcomeMismatch, state, [action], told)


def test_the_log_key_of_the_appliance_or_of_another_clone_is_not_its_own(tokyo: Book, before: LedgerState) -> None:
    pair = generated_pair("log.1")
    stolen = clone_log_key(C2, public_key=pair.public_key, check_value=pair.check_value)
    assert "the same key twice" in refused(KeyReused, before, [FRESH], altered(before, FRESH, log_key=stolen))
    third = msgspec.structs.replace(clone(C1, log_name="kobe"), token_serial="c3" * 8, token_label="clone-3")
    (told,) = results_for(before, make_plan([clone(C2, log_name="kobe")], state=before))
    again = msgspec.structs.replace(
        told, token=facts("c3" * 8, "clone-3"), log_key=clone_log_key(C2, key_id=key_id_of("elsewhere"))
    )
    assert "the same key twice" in refused(KeyReused, tokyo.state, [third], [again])


@pytest.mark.parametrize("name", sorted(LOG_ATTRIBUTES))
def test_every_attribute_of_its_log_key(before: LedgerState, name: str) -> None:
    right = LOG_ATTRIBUTES[name]
    wrong = {**LOG_ATTRIBUTES, name: (not right) if isinstance(right, bool) else "other"}
    told = altered(before, FRESH, log_key=clone_log_key(C2, attributes=wrong))
    reason = refused(AttributesRefused, before, [FRESH], told)
    assert reason.startswith(f"action 1: log key of clone-2: attribute {name} must be ")


def test_a_key_on_a_clone_is_sealed_and_the_ledger_s_own(before: LedgerState) -> None:
    (good,) = altered(before, FRESH)
    first, *rest = good.keys  # type: ignore[union-attr]
    for changes, error, words in (
        ({"attributes": COPY_ATTRIBUTES}, AttributesRefused, "attribute extractable must be false"),
        ({"attributes": {**RESTORED_ATTRIBUTES, "decrypt": True}}, AttributesRefused, "decrypt must be false"),
        ({"check_value": check_value_of("other")}, OutcomeMismatch, "one by one"),
        ({"key_id": key_id_of("other")}, OutcomeMismatch, "one by one"),
        ({"origin": 1}, OutcomeMismatch, "one by one"),
    ):
        told = altered(before, FRESH, keys=(msgspec.structs.replace(first, **changes), *rest))
        assert words in refused(error, before, [FRESH], told)
    for keys in (tuple(rest), (*good.keys, first), (*rest, first)):  # type: ignore[union-attr]
        assert "one by one" in refused(OutcomeMismatch, before, [FRESH], altered(before, FRESH, keys=keys))


# --- no clone is left behind ------------------------------------------------------------------------------------------


def test_a_key_is_activated_when_every_clone_has_it(tokyo: Book) -> None:
    book = tokyo.fork()
    book.add([NEXT])
    told = forbidden(IllegalAction, book.state, USE)
    assert told == (
        "action 1: activate: sspin.E.2: not on clone clone-1, clone-2 yet; first: keyceremony plan update-clone clone-1"
    )
    book.add([UPDATE])
    assert "not on clone clone-2 yet; first: keyceremony plan update-clone clone-2" in forbidden(
        IllegalAction, book.state, USE
    )
    book.add([ALSO])
    state = book.add([USE])
    assert (str(state.current["sspin.E"]), on_clones(state)["sspin.E.2"]) == ("sspin.E.2", {C1, C2})
    assert chain.verify(book.files, book.anchor).keys == state.keys


def test_making_and_activating_in_one_plan_is_refused(tokyo: Book) -> None:
    assert "action 2: activate: sspin.E.2: not on clone" in forbidden(IllegalAction, tokyo.state, NEXT, USE)


def test_tag_keys_are_on_clones_and_log_keys_are_not(tokyo: Book) -> None:
    tag = [Generate(generation="tag.2", parent=None, backups=(B1,)), Activate(generation="tag.2")]
    assert "tag.2: not on clone" in forbidden(IllegalAction, tokyo.state, *tag)
    log = [Generate(generation="log.2", parent=None), Activate(generation="log.2")]
    assert effects(tokyo.state, *log)[1].after == "active"


def test_a_lost_clone_is_no_obstacle_once_it_was_removed(tokyo: Book) -> None:
    state = applied(applied(tokyo.state, [NEXT]), [RemoveClone(token_serial=C1, lost=True)])
    state = applied(state, [ALSO])
    assert str(applied(state, [USE]).current["sspin.E"]) == "sspin.E.2"


def test_an_update_brings_what_is_lacking_and_nothing_else(tokyo: Book) -> None:
    why = "action 1: update-clone: clone clone-1 has every key already"
    assert forbidden(IllegalAction, tokyo.state, UPDATE) == why
    state = applied(tokyo.state, [NEXT])
    (told,) = results_for(state, make_plan([UPDATE], state=state))
    assert [key.generation for key in told.keys] == ["sspin.E.2"]  # type: ignore[union-attr]
    assert "one by one" in refused(OutcomeMismatch, state, [UPDATE], altered(state, UPDATE, keys=()))
    assert "something else" in refused(OutcomeMismatch, state, [UPDATE], altered(state, UPDATE, serial=C2))


def test_keys_that_lie_on_several_backup_tokens_come_from_each(tokyo: Book) -> None:
    state = applied(tokyo.state, [NEXT, Generate(generation="sspin.B.2", parent="spin.1", backups=(B2,))])
    first = applied(state, [UPDATE])
    assert (on_clones(first)["sspin.E.2"], on_clones(first)["sspin.B.2"]) == ({C1}, set())
    second = applied(first, [UpdateClone(token_serial=C1, source=B2)])
    assert on_clones(second)["sspin.B.2"] == {C1}
    bare = applied(tokyo.state, [msgspec.structs.replace(NEXT, backups=(B2,))])
    assert forbidden(IllegalAction, bare, UPDATE) == (
        f"action 1: update-clone: backup token {B1} has no copy of sspin.E.2"
    )


def test_an_update_of_what_is_no_clone(tokyo: Book) -> None:
    for serial in (SERIAL, B1, "unknown"):
        for action in (UpdateClone(token_serial=serial, source=B1), RemoveClone(token_serial=serial, lost=False)):
            assert forbidden(IllegalAction, tokyo.state, action).endswith(
                f"token {serial} is no clone of this ledger; it has: {C1}, {C2}"
            )


# --- the end of keys and clones ---------------------------------------------------------------------------------------


def ended(state: LedgerState, text: str) -> LedgerState:
    return applied(state, [Suspend(generation=text), Retire(generation=text)])


def test_a_key_is_destroyed_on_clones_as_well(tokyo: Book) -> None:
    state, action = ended(tokyo.state, "sspin.E.1"), Destroy(generation="sspin.E.1")
    everywhere = tuple(sorted((SERIAL, B1, B2, C1, C2)))
    assert on_clones(applied(state, [action]))["sspin.E.1"] == set()
    for absent in (everywhere[:-1], tuple(sorted((SERIAL, B1, B2))), (*everywhere, "unknown")):
        told = [Destroyed(generation="sspin.E.1", absent_from=absent)]
        reason = refused(OutcomeMismatch, state, [action], told)
        assert reason.endswith(f"absence must be proven on {', '.join(everywhere)}")


def test_a_clone_leaves_emptied_of_all_that_it_held(tokyo: Book) -> None:
    action = RemoveClone(token_serial=C2, lost=False)
    (good,) = altered(tokyo.state, action)
    held = [tokyo.state.keys[gen(text)].key_id.hex() for text in KEYS]
    assert sorted(good.removed) == sorted([*held, key_id_of(f"log {C2}")])  # type: ignore[union-attr]
    for removed in (tuple(held), good.removed[:-1], (), (*good.removed, "ab" * 16)):  # type: ignore[union-attr]
        told = altered(tokyo.state, action, removed=removed)
        assert "other keys are gone than it held" in refused(OutcomeMismatch, tokyo.state, [action], told)
    state = applied(tokyo.state, [action])
    assert (list(state.clones), on_clones(state)["spin.1"]) == ([C1], {C1})


def test_nothing_is_proven_of_a_lost_clone(tokyo: Book) -> None:
    action = RemoveClone(token_serial=C2, lost=True)
    assert list(applied(tokyo.state, [action]).clones) == [C1]
    told = altered(tokyo.state, action, removed=(key_id_of(f"log {C2}"),))
    assert "other keys are gone" in refused(OutcomeMismatch, tokyo.state, [action], told)


def test_a_restore_leaves_clones_as_they_are(tokyo: Book) -> None:
    bare = applied(tokyo.state, [msgspec.structs.replace(NEXT, backups=(B2,))])
    state = applied(bare, [RemoveBackup(token_serial=B2, lost=True)])
    state = applied(state, [restore(B1, lost=("log.1", "sspin.E.2"))])
    assert (state.token_serial, list(state.clones)) == (NEW_TOKEN, [C1, C2])
    assert on_clones(state)["spin.1"] == {C1, C2}
    assert servicekeys.log_keys(state, "osaka") == {gen("log.1"): publickey.raw_of(OSAKA)}


def test_a_key_given_up_stays_on_clones_until_they_are_removed(tokyo: Book) -> None:
    """It is on no backup token any more, and a clone does not give it back; but the ledger knows where it is."""
    state = applied(tokyo.state, [msgspec.structs.replace(NEXT, backups=(B2,))])
    state = applied(state, [UpdateClone(token_serial=C1, source=B2)])
    state = applied(state, [RemoveBackup(token_serial=B2, lost=True)])
    state = applied(state, [restore(B1, lost=("log.1", "sspin.E.2"))])
    assert (state.keys[gen("sspin.E.2")].state, on_clones(state)["sspin.E.2"]) == (KeyState.LOST, {C1})
    (told,) = results_for(state, make_plan([RemoveClone(token_serial=C1, lost=False)], state=state))
    assert state.keys[gen("sspin.E.2")].key_id.hex() in told.removed  # type: ignore[union-attr]


# --- logs -------------------------------------------------------------------------------------------------------------


def test_whose_key_signs_which_log(tokyo: Book) -> None:
    state = tokyo.state
    main = {gen("log.1"): publickey.raw_of(log_public_key("log.1"))}
    assert servicekeys.log_keys(state) == servicekeys.log_keys(state, "main") == main
    assert servicekeys.log_keys(state, "any-other") == main
    assert servicekeys.log_keys(state, "osaka") == {gen("log.1"): publickey.raw_of(OSAKA)}
    current = servicekeys.current_log(state, "osaka")
    assert current is not None and (current.public_key, current.key_id.hex()) == (OSAKA, key_id_of(f"log {C2}"))
    assert servicekeys.current_log(state) == state.keys[gen("log.1")]


def test_which_token_signs(tokyo: Book) -> None:
    on = {serial: servicekeys.log_on(tokyo.state, serial) for serial in (SERIAL, C1, C2, B1, "unknown")}
    assert {serial: None if key is None else key.public_key for serial, key in on.items()} == {
        SERIAL: log_public_key("log.1"),
        C1: None,
        C2: OSAKA,
        B1: None,
        "unknown": None,
    }


def test_a_log_goes_on_with_another_clone_and_what_was_signed_stays_signed(tokyo: Book) -> None:
    for lost, state_of_it in ((True, KeyState.LOST), (False, KeyState.DESTROYED)):
        state = applied(tokyo.state, [RemoveClone(token_serial=C2, lost=lost)])
        assert servicekeys.current_log(state, "osaka") is None, "nobody signs it"
        assert servicekeys.log_keys(state, "osaka") == {gen("log.1"): publickey.raw_of(OSAKA)}
        assert servicekeys.log_records(state, "osaka")[gen("log.1")].state is state_of_it
        successor = EnrollClone(token_label="clone-3", token_serial=B3, source=B1, log_name="osaka")
        (told,) = results_for(state, make_plan([successor], state=state))
        told = msgspec.structs.replace(told, token=facts(B3, "clone-3"), log_key=clone_log_key(B3))  # type: ignore[arg-type]
        state = applied(state, [successor], [told])
        assert servicekeys.log_keys(state, "osaka") == {
            gen("log.1"): publickey.raw_of(OSAKA),
            gen("log.2"): publickey.raw_of(log_public_key(f"clone {B3}")),
        }
        current = servicekeys.current_log(state, "osaka")
        assert current is not None and (str(current.generation), current.activated) == ("log.2", 2)


def test_rotating_the_appliance_s_log_key_leaves_a_clone_s_log_alone(tokyo: Book) -> None:
    moves = [kind(generation="log.1") for kind in (Restrict, Retire, Destroy)]
    state = applied(tokyo.state, [Generate(generation="log.2", parent=None), Activate(generation="log.2"), *moves])
    assert servicekeys.log_records(state, "osaka")[gen("log.1")].state is KeyState.ACTIVE
    assert servicekeys.log_records(state)[gen("log.1")].state is KeyState.DESTROYED


# --- laws -------------------------------------------------------------------------------------------------------------

STEPS = st.sampled_from(["make", "use", "update-1", "update-2", "retire", "destroy", "lose-2", "again-2"])


def _step(state: LedgerState, word: str, made: int) -> list[Action]:
    of_it = sorted(g for g in state.keys if g.domain == "sspin.E")
    newest = of_it[-1].number
    oldest = str(next((g for g in of_it if state.keys[g].state is not KeyState.DESTROYED), of_it[0]))
    steps: dict[str, list[Action]] = {
        "make": [Generate(generation=f"sspin.E.{newest + 1}", parent="spin.1", backups=(B1, B2))],
        "use": [Activate(generation=f"sspin.E.{newest}")],
        "update-1": [UPDATE],
        "update-2": [ALSO],
        "retire": [Suspend(generation=oldest), Retire(generation=oldest)],
        "destroy": [Destroy(generation=oldest)],
        "lose-2": [RemoveClone(token_serial=C2, lost=True)],
        "again-2": [clone(C2, log_name=f"osaka-{made}")],
    }
    return steps[word]


def _told(state: LedgerState, steps: list[Action], made: int) -> list[ActionResult]:
    """What the tokens report; a clone that comes again makes another log key."""
    told = list(results_for(state, make_plan(steps, state=state)))
    if isinstance(told[0], CloneEnrolled):
        told = [msgspec.structs.replace(told[0], log_key=clone_log_key(f"{made}", key_id=key_id_of(f"log {made}")))]
    return told


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, max_size=10))
def test_whatever_happens_every_clone_has_every_key_in_use(words: list[str]) -> None:
    state = _whole().state
    for made, word in enumerate(words):
        steps = _step(state, word, made)
        try:
            effects(state, *steps)
            state = applied(state, steps, _told(state, steps, made))
        except IllegalAction:
            continue
        used = [key for key in state.keys.values() if key.activated and key.generation.domain != "log"]
        for key in used:
            assert key.clones == (frozenset() if key.state is KeyState.DESTROYED else set(state.clones))
        assert StateBook(state).clones == state.clones


# --- the one encoding -------------------------------------------------------------------------------------------------


def test_the_form_of_the_three_actions() -> None:
    plain = json.loads(msgspec.json.encode(FRESH))
    assert plain == {
        "action": "enroll-clone",
        "token_label": "clone-2",
        "token_serial": C2,
        "source": B1,
        "log_name": "osaka",
    }

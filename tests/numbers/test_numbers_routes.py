"""Routes: what is deciphered and enciphered, in which order, and which states forbid it."""

from __future__ import annotations

import pytest
from numberkit import gen, make_state

from appliance.engine.routes import GenerationUnusable, Route, UnknownGeneration, resolve, route
from appliance.ledger.states import READABLE, WRITABLE, KeyState
from appliance.numbers.domains import Generation

TWO_SPINS = {"common.1": None, "spin.1": None, "spin.2": None, "sspin.B.1": "spin.1", "sspin.B.2": "spin.2",
             "sspin.E.1": "spin.1", "sspin.E.2": "spin.2"}  # fmt: skip


def named(name: str | None) -> Generation | None:
    return gen(name) if name else None


def way(up: str, down: str, turn: int) -> Route:
    return Route(tuple(map(gen, up.split())), tuple(map(gen, down.split())), turn)


@pytest.mark.parametrize(
    ("source", "target", "expected"),
    [
        ("sspin.B.1", "sspin.E.1", way("sspin.B.1 spin.1", "sspin.E.1", 1)),  # from the sPIN kept on the way up
        ("sspin.B.1", "sspin.B.2", way("sspin.B.1 spin.1", "spin.2 sspin.B.2", 2)),  # over the root: other parents
        ("sspin.B.1", "sspin.E.2", way("sspin.B.1 spin.1", "spin.2 sspin.E.2", 2)),
        ("sspin.B.1", "common.1", way("sspin.B.1 spin.1", "common.1", 2)),
        ("common.1", "sspin.E.1", way("common.1", "spin.1 sspin.E.1", 1)),
        ("sspin.B.1", "spin.1", way("sspin.B.1 spin.1", "", 1)),
        ("spin.1", "sspin.B.1", way("spin.1", "sspin.B.1", 0)),
        ("sspin.B.1", None, way("sspin.B.1 spin.1", "", 2)),
        (None, "sspin.B.1", way("", "spin.1 sspin.B.1", 0)),
        (None, None, way("", "", 0)),
        ("sspin.B.1", "sspin.B.1", way("sspin.B.1 spin.1", "", 0)),  # nothing but a verification
        ("spin.1", "spin.2", way("spin.1", "spin.2", 1)),
    ],
)
def test_route(source: str | None, target: str | None, expected: Route) -> None:
    assert route(make_state(TWO_SPINS), named(source), named(target)) == expected


def test_an_exchange_takes_three_runs() -> None:
    assert route(make_state(), gen("sspin.B.1"), gen("sspin.E.1")).runs == 3


def test_every_route_but_the_roots_own_goes_up_to_the_root() -> None:
    state = make_state(TWO_SPINS)
    for source in state.keys:
        for target in [None, *state.keys]:
            assert state.keys[route(state, source, target).up[-1]].parent is None


@pytest.mark.parametrize("key_state", KeyState)
@pytest.mark.parametrize("role", ["source", "above the source", "target", "above the target", "beside"])
def test_usability(role: str, key_state: KeyState) -> None:
    """Sources and what is above either end must be readable, the target active; others do not matter."""
    concerned = {"source": "sspin.B.1", "above the source": "spin.1", "target": "sspin.E.2",
                 "above the target": "spin.2", "beside": "common.1"}[role]  # fmt: skip
    state = make_state(TWO_SPINS, states={concerned: key_state})
    allowed = {"target": WRITABLE, "beside": frozenset(KeyState)}.get(role, READABLE)
    if key_state in allowed:
        assert route(state, gen("sspin.B.1"), gen("sspin.E.2")).runs == 4
        return
    with pytest.raises(
        GenerationUnusable, match=rf"^{concerned} is {key_state.value}; this conversion needs it"
    ) as info:
        route(state, gen("sspin.B.1"), gen("sspin.E.2"))
    assert info.value.hint


def test_a_shared_parent_that_is_read_from_only_still_serves_its_sectors() -> None:
    state = make_state(states={"spin.1": KeyState.DECRYPT_ONLY, "sspin.C.1": KeyState.DECRYPT_ONLY})
    assert route(state, gen("sspin.C.1"), gen("sspin.C.2")) == way("sspin.C.1 spin.1", "sspin.C.2", 1)
    with pytest.raises(GenerationUnusable, match=r"sspin.C.1 is decrypt-only; .* active, to be written to"):
        route(state, gen("sspin.C.2"), gen("sspin.C.1"))
    with pytest.raises(GenerationUnusable, match=r"spin.1 is decrypt-only"):
        route(state, None, gen("spin.1"))


def test_a_generation_that_is_not_there() -> None:
    with pytest.raises(UnknownGeneration, match=r"'sspin.B.7' is no domain or key generation of this ledger"):
        route(make_state(), gen("sspin.B.7"), gen("sspin.E.1"))
    with pytest.raises(UnknownGeneration, match=r"'spin.9'"):
        route(make_state({"sspin.B.1": "spin.9"}), gen("sspin.B.1"), None)


def test_a_parent_in_the_wrong_domain_is_never_followed() -> None:
    keys = {"common.1": None, "spin.1": None, "sspin.B.1": "common.1", "sspin.E.1": None}
    for name, above in (("sspin.B.1", "common"), ("sspin.E.1", "resident")):
        with pytest.raises(GenerationUnusable, match=f"{name} records a parent in {above}, which is not the parent"):
            route(make_state(keys), gen(name), None)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resident", None),
        ("spin", "spin.1"),
        ("sspin.C", "sspin.C.2"),
        ("sspin.C.1", "sspin.C.1"),
        ("common", "common.1"),
    ],
)
def test_names(name: str, expected: str | None) -> None:
    assert resolve(make_state(), name) == named(expected)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "sspin",
        "sspin.G",
        "sspin.c",
        "sspin.B.2",
        "sspin.B.0",
        "sspin.B.01",
        "resident.1",
        "SPIN",
        "spin ",
        "スピン",
    ],
)
def test_unknown_names(name: str) -> None:
    with pytest.raises(UnknownGeneration, match="is no domain or key generation of this ledger") as info:
        resolve(make_state(), name)
    assert repr(name) in info.value.message
    assert info.value.hint


def test_a_domain_without_an_active_key() -> None:
    state = make_state({"spin.1": None, "sspin.B.1": "spin.1"}, states={"sspin.B.1": KeyState.GENERATED})
    for name in ("common", "sspin.B", "sspin.E"):
        with pytest.raises(GenerationUnusable, match=f"^{name} has no active key"):
            resolve(state, name)


def test_a_suspended_current_key_is_not_passed_over_for_an_older_one() -> None:
    """Never guess: the current generation stays the one that is meant, and its state refuses."""
    state = make_state(states={"sspin.C.2": KeyState.SUSPENDED}, current={"spin": "spin.1", "sspin.C": "sspin.C.2"})
    assert resolve(state, "sspin.C") == gen("sspin.C.2")
    with pytest.raises(GenerationUnusable, match="sspin.C.2 is suspended"):
        route(state, resolve(state, "sspin.C"), None)

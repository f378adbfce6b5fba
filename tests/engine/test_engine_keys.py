"""A ledger without keys for the audit log is not served, and the person at the console is told what to type."""

from __future__ import annotations

from dataclasses import replace

import pytest
from numberkit import DEFAULT_KEYS, make_state

from appliance.engine import keys
from appliance.engine.keys import ServiceKeyMissing
from appliance.ledger.keys import KeyRecord
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation

BOTH = {**DEFAULT_KEYS, "log.1": None, "tag.1": None}
NO_LOG = "the ledger has no active log key: no checkpoint of the audit log could be signed"
NO_TAG = "the ledger has no active tag key: no conversion could be found again for the person it was about"


@pytest.mark.parametrize(
    ("extra", "states", "message", "steps"),
    [
        ((), {}, NO_LOG, "'generate log' 'activate log.1'"),
        (("log.1",), {}, NO_TAG, "'generate tag' 'activate tag.1'"),
        (("tag.1",), {}, NO_LOG, "'generate log' 'activate log.1'"),
        (("log.1", "tag.1"), {"log.1": KeyState.GENERATED}, NO_LOG, "'activate log.1'"),
        (("log.1", "tag.1"), {"tag.1": KeyState.SUSPENDED}, NO_TAG, "'generate tag' 'activate tag.2'"),
        (("log.1", "tag.1"), {"log.1": KeyState.LOST}, NO_LOG, "'generate log' 'activate log.2'"),
        (
            ("log.1", "log.2", "tag.1"),
            {"log.1": KeyState.LOST, "log.2": KeyState.GENERATED},
            NO_LOG,
            "'activate log.2'",
        ),
    ],
)
def test_what_is_missing_and_what_to_do(
    extra: tuple[str, ...], states: dict[str, KeyState], message: str, steps: str
) -> None:
    state = make_state({**DEFAULT_KEYS, **dict.fromkeys(extra)}, states=states)
    with pytest.raises(ServiceKeyMissing) as caught:
        keys.require_service_keys(state, "main")
    assert (caught.value.message, caught.value.hint) == (message, f"keyceremony plan keys {steps}")
    assert caught.value.exit_code == 4


def test_with_both_in_use_it_is_served() -> None:
    keys.require_service_keys(make_state(BOTH), "main")


def test_the_log_of_a_clone_needs_the_clones_key_and_no_other() -> None:
    made = KeyRecord(Generation("log", 1), None, bytes(16), bytes(6), KeyState.ACTIVE, activated=1)
    state = make_state({**DEFAULT_KEYS, "tag.1": None})
    keys.require_service_keys(replace(state, clone_logs={"second": (made,)}), "second")
    for name, log in (("main", made), ("second", replace(made, state=KeyState.LOST))):
        with pytest.raises(ServiceKeyMissing) as caught:
            keys.require_service_keys(replace(state, clone_logs={"second": (log,)}), name)
        assert caught.value.message == NO_LOG

"""Which tokens the configuration names, by the ledger: a log is signed on one token, and nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from numberkit import DEFAULT_KEYS, make_state

from appliance import configuration
from appliance.configuration import Configuration
from appliance.engine import tokens
from appliance.ledger.fold import LedgerState
from appliance.ledger.keys import KeyRecord
from appliance.ledger.state import CloneToken
from appliance.ledger.states import KeyState
from appliance.numbers.domains import Generation
from appliance.tomlfile import ConfigurationError

CLONES = {
    "01": CloneToken("plain", "01", 4, None),
    "02": CloneToken("second", "02", 5, "branch", b"i", b"p"),
}
LOG = KeyRecord(Generation("log", 1), None, bytes(16), bytes(6), KeyState.ACTIVE, activated=1, public_key=b"p")


@pytest.fixture
def state() -> LedgerState:
    made = make_state({**DEFAULT_KEYS, "log.1": None, "tag.1": None})
    return replace(made, clones=CLONES, clone_logs={"branch": (LOG,), "gone": (replace(LOG, state=KeyState.LOST),)})


def configured(folder: Path, label: str, name: str = "main", clones: tuple[str, ...] = ()) -> Configuration:
    tables = "".join(f'[[clone]]\nlabel = "{clone}"\npin_file = "pin"\n' for clone in clones)
    path = folder / "kagimori.toml"
    path.write_text(
        f'[token]\nmodule = "m"\nlabel = "{label}"\npin_file = "pin"\n[ledger]\ndirectory = "l"\n'
        f'trust_anchor = "{"0" * 64}"\n[state]\ndirectory = "s"\n[audit]\ndirectory = "a"\nname = "{name}"\n{tables}'
    )
    return configuration.load(path)


def test_the_ledgers_own_token_signs_and_clones_do_not(tmp_path: Path, state: LedgerState) -> None:
    config = configured(tmp_path, "test", clones=("second", "plain"))
    own, second, plain = (tokens.seat(config, state, number) for number in range(3))
    assert (own.serial, own.clone, own.log) == (state.token_serial, None, state.keys[Generation("log", 1)])
    assert (second.serial, second.clone, second.log) == ("02", CLONES["02"], None)
    assert (plain.serial, plain.clone, plain.log) == ("01", CLONES["01"], None)


def test_the_log_of_the_first_appliance_may_have_any_name_that_is_no_clones(tmp_path: Path, state: LedgerState) -> None:
    found = tokens.seat(configured(tmp_path, "test", "east"), state, 0)
    assert found.log == state.keys[Generation("log", 1)]


def test_a_clone_with_a_log_is_an_appliance_of_its_own(tmp_path: Path, state: LedgerState) -> None:
    config = configured(tmp_path, "second", "branch", ("plain",))
    own, plain = (tokens.seat(config, state, number) for number in range(2))
    assert (own.serial, own.clone, own.log) == ("02", CLONES["02"], LOG)
    assert (plain.serial, plain.log) == ("01", None)


@pytest.mark.parametrize(
    ("label", "name", "clones", "message", "hint"),
    [
        ("plain", "main", (), "[token] label 'plain': a clone that was enrolled without a log name", "[[clone]] table"),
        ("second", "main", (), "[audit] name 'main': the log of the clone 'second' is called 'branch'", '"branch"'),
        ("second", "gone", (), "[audit] name 'gone': the log of the clone 'second' is called 'branch'", '"branch"'),
        ("test", "branch", (), "[audit] name 'branch': that is the log of a clone", "has always had"),
        ("test", "gone", (), "[audit] name 'gone': that is the log of a clone", "has always had"),
        ("test", "main", ("third",), "[[clone]] label 'third': the ledger has no clone of that label", "enroll it"),
        ("second", "branch", ("test",), "[[clone]] label 'test': the ledger has no clone of that label", "enroll it"),
        ("test", "main", (), "the configuration has no [[clone]] table number 1 any more", "start the daemon again"),
    ],
)
def test_refusals(
    tmp_path: Path, state: LedgerState, label: str, name: str, clones: tuple[str, ...], message: str, hint: str
) -> None:
    number = 0 if "[[clone]]" not in message.partition(":")[0] else 1
    with pytest.raises(ConfigurationError) as caught:
        tokens.seat(configured(tmp_path, label, name, clones), state, number)
    assert caught.value.message.startswith(message)
    assert hint in str(caught.value.hint)
    assert caught.value.exit_code == 3


def test_the_clones_that_there_are_are_named(tmp_path: Path, state: LedgerState) -> None:
    config = configured(tmp_path, "test", clones=("third",))
    with pytest.raises(ConfigurationError, match="it has: plain, second"):
        tokens.seat(config, state, 1)
    with pytest.raises(ConfigurationError, match="it has: none"):
        tokens.seat(config, replace(state, clones={}), 1)


def test_two_clones_of_one_label_are_not_guessed_at(tmp_path: Path, state: LedgerState) -> None:
    twice = replace(state, clones={**CLONES, "03": CloneToken("plain", "03", 6, None)})
    with pytest.raises(ConfigurationError, match="token label 'plain': the ledger has 2 clones of that label"):
        tokens.seat(configured(tmp_path, "test", clones=("plain",)), twice, 1)


def test_serial_numbers_are_the_ledgers(state: LedgerState) -> None:
    assert tokens.serial_of(state, "test") == state.token_serial
    assert tokens.serial_of(state, "second") == "02"
    assert tokens.serial_of(state, "third") is None

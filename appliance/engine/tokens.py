"""Which tokens the configuration names, by the ledger: their serial numbers, and which one signs this appliance's log.

Every log has one token that signs it: the log of a clone that has a log key of its own is signed by that clone alone,
any other log by the ledger's own token. All other tokens of an appliance convert and never sign.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.configuration import Configuration, EngineToken
from appliance.ledger import servicekeys
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.state import CloneToken
from appliance.tomlfile import ConfigurationError


@dataclass(frozen=True)
class Seat:
    """A token of the configuration as the ledger has it.

    ``clone``: None is the ledger's own token. ``log``: the key that it signs this appliance's log with, if it does.
    """

    token: EngineToken
    serial: str
    clone: CloneToken | None
    log: KeyRecord | None


def seat(config: Configuration, state: LedgerState, number: int) -> Seat:
    """The token ``number`` of the configuration: 0 is ``[token]``, from 1 on the ``[[clone]]`` tables.

    Raises:
        ConfigurationError: there is no such table, the ledger has no such clone, or the log is another token's.
    """
    if not 0 <= number < len(config.tokens):
        raise ConfigurationError(
            f"the configuration has no [[clone]] table number {number} any more",
            "start the daemon again after a change of the configuration",
        )
    token = config.tokens[number]
    if number:
        clone = _clone(state, token.label)
        return Seat(token, clone.serial, clone, None)
    own = token.label == state.token_label or not _called(state, token.label)  # a wrong label is the token room's word
    first = None if own else _clone(state, token.label)
    _require_own_log(config, state, first)
    serial = state.token_serial if first is None else first.serial
    return Seat(token, serial, first, servicekeys.current_log(state, config.audit.name))


def serial_of(state: LedgerState, label: str) -> str | None:
    """The serial number of the token or clone that the ledger calls so; None: it has none."""
    if label == state.token_label:
        return state.token_serial
    return next((clone.serial for clone in _called(state, label)), None)


def _clone(state: LedgerState, label: str) -> CloneToken:
    """The one clone with a label."""
    called = _called(state, label)
    if len(called) > 1:
        raise ConfigurationError(
            f"token label {label!r}: the ledger has {len(called)} clones of that label",
            "remove one of them in a ceremony",
        )
    if not called:
        known = ", ".join(sorted(one.label for one in state.clones.values())) or "none"
        raise ConfigurationError(
            f"[[clone]] label {label!r}: the ledger has no clone of that label; it has: {known}",
            "enroll it in a ceremony, or remove the table",
        )
    return called[0]


def _called(state: LedgerState, label: str) -> list[CloneToken]:
    return [clone for clone in state.clones.values() if clone.label == label]


def _require_own_log(config: Configuration, state: LedgerState, clone: CloneToken | None) -> None:
    """Two appliances must never sign one log, so the log's name and ``[token]`` must belong together."""
    name, label = config.audit.name, config.token.label
    if clone is None:
        if name in state.clone_logs:
            raise ConfigurationError(
                f"[audit] name {name!r}: that is the log of a clone of this ledger, and {label!r} is none",
                "give the log of this appliance the name that it has always had",
            )
    elif clone.log_name is None:
        raise ConfigurationError(
            f"[token] label {label!r}: a clone that was enrolled without a log name cannot keep a log of its own",
            "name it in a [[clone]] table, or enroll a clone with a log name",
        )
    elif clone.log_name != name:
        raise ConfigurationError(
            f"[audit] name {name!r}: the log of the clone {label!r} is called {clone.log_name!r}",
            f'set [audit] name = "{clone.log_name}"',
        )

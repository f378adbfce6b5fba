"""The engine: the one process that is logged in to the token, one thread, serving one daemon.

Before it serves it reads the configuration and the ledger itself, verifies the ledger against the
pinned anchor and against the newest one seen, logs in once, opens every readable key, which checks
its check value, and converts known numbers there and back. A ledger without keys for the audit log is not served. What
it answers, and what it refuses by itself, is in `appliance.engine.answers`. It ends when the daemon closes the socket.
As a service of its own it gives systemd a sign of life when it waits and after each answer, so that a hung call into
the token's module is noticed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from appliance import configuration
from appliance.configuration import Configuration
from appliance.engine import frames, headmark, keys, pinguard, service, tokens
from appliance.engine.answers import Engine, LogKey
from appliance.engine.converter import Converter
from appliance.engine.envelope import Frame, FrameError, Kind
from appliance.engine.frames import Failed, Hello
from appliance.engine.keys import OpenKeys
from appliance.engine.selftest import SelfTestFailed
from appliance.engine.tokens import Seat
from appliance.engine.turns import RECEIVE_BYTES, Turns
from appliance.errors import KagimoriError
from appliance.ledger import chain, files
from appliance.ledger.errors import LedgerError
from appliance.ledger.fold import LedgerState
from appliance.numbers.aes import CiphertextAltered
from appliance.systemd import Manager
from appliance.token import errors as token_errors
from appliance.token.token import Token

PARTING_SECONDS = 5.0
_PIN_ERRORS = (token_errors.PinWrong, token_errors.PinLocked, token_errors.PinNeeded, pinguard.PinRefusedBefore)
_KEY_ERRORS = (
    token_errors.KeyMissing,
    token_errors.KeyDuplicated,
    token_errors.CheckValueMismatch,
    token_errors.AttributeMismatch,
    token_errors.LogKeyRefused,
    token_errors.SignatureMismatch,
)


def main(config: Path, connection: socket.socket, number: int = 0, manager: Manager | None = None) -> int:
    """Run one engine on a connection until the daemon closes it; the exit code.

    Args:
        config: the configuration file.
        connection: closed at the end.
        number: which token of the configuration (`appliance.engine.tokens.seat`).
        manager: systemd, if the engine is its service: then who connected is looked at first.
    """
    with connection:
        try:
            return _run(config, connection, number, manager)
        except KagimoriError as error:
            return _last_words(connection, _failed(error))
        except (BrokenPipeError, ConnectionResetError):  # the daemon is gone, so the engine goes
            return 0
        except Exception as error:
            return _last_words(connection, _defect(error))


def _run(config_path: Path, connection: socket.socket, number: int, manager: Manager | None) -> int:
    config = configuration.load(config_path)
    if manager is not None:
        service.admit(connection, config.engine)
    state = load_ledger(config)
    keys.require_service_keys(state, config.audit.name)
    seat = tokens.seat(config, state, number)
    with _login(config, seat) as token:
        opened = keys.open_keys(token, state, seat)
        log = LogKey(config.origin, config.state.directory, opened.sign or _never)
        turns = Turns(connection)
        bulk = Converter(state, opened.encryptor, between=turns.between)
        quick = Converter(state, opened.encryptor, chunk=frames.MAX_LINES_NOW)
        engine = Engine(state, bulk, quick, log, meanwhile=turns.meanwhile)
        engine.test()  # an engine that greets has converted; what it dies of later was its work
        connection.sendall(frames.pack_record(Kind.HELLO, _hello(state, token, opened)))
        pulse = service.Pulse(manager or Manager(), f"serves {token.facts.label}, ledger entry {state.sequence}")
        turns.serve(engine.reply if opened.sign is not None else _unsigned(engine.reply), pulse)
    return 0


def _unsigned(reply: Callable[[Frame], bytes]) -> Callable[[Frame], bytes]:
    """The same, with no checkpoint taken: it is refused before the log's mark moves."""

    def without_log_key(frame: Frame) -> bytes:
        return reply(frame) if frame.kind is not Kind.SIGN else _never(frame.payload)

    return without_log_key


def _never(message: bytes) -> bytes:
    """In place of a log key that is not here."""
    raise FrameError("frame SIGN: this token does not have the log's key")


def load_ledger(config: Configuration) -> LedgerState:
    """The ledger, verified against the anchor and against the newest one seen.

    Raises:
        LedgerError: refused; the message names the file and the reason.
    """
    entries = chain.verify_entries(files.read(config.ledger.directory), config.ledger.trust_anchor)
    headmark.check(config.state.directory, entries)
    return entries[-1].state


def _login(config: Configuration, seat: Seat) -> Token:
    """One attempt."""
    place, login = seat.token, seat.token.login
    marker = pinguard.marker(config.state.directory, seat.clone.serial if seat.clone else None)
    pin = configuration.read_pin(login.pin_path)
    with pinguard.one_attempt(marker, login.pin_path, login.pin_credential):
        return Token.open(place.module, label=place.label, serial=seat.serial, pin=pin)


def _hello(state: LedgerState, token: Token, opened: OpenKeys) -> Hello:
    facts = token.facts
    return Hello(
        pid=os.getpid(),
        sequence=state.sequence,
        head=state.head,
        signs=opened.sign is not None,
        token=frames.TokenFact(
            label=facts.label, serial=facts.serial, manufacturer=facts.manufacturer, model=facts.model
        ),
        generations=tuple(
            frames.GenerationFact(
                generation=str(generation),
                state=record.state.value,
                current=state.current.get(generation.domain) == generation,
                usable=generation in opened,
            )
            for generation, record in sorted(state.keys.items())
        ),
    )


def _failed(error: KagimoriError) -> Failed:
    return Failed(reason=_reason(error), message=error.message, hint=error.hint, exit_code=error.exit_code)


def _reason(error: KagimoriError) -> frames.Reason:
    match error:
        case LedgerError() | keys.ServiceKeyMissing():
            return "ledger"
        case _ if isinstance(error, _PIN_ERRORS):
            return "pin"
        case _ if isinstance(error, _KEY_ERRORS):
            return "keys"
        case token_errors.WrongThread():
            return "defect"
        case token_errors.TokenError() | CiphertextAltered() | SelfTestFailed():
            return "token"
        case _:
            return "configuration" if error.exit_code == 3 else "defect"


def _defect(error: Exception) -> Failed:
    last = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(last.filename).name}:{last.lineno} in {last.name}"
    return Failed(
        reason="defect", message=f"the engine failed: {type(error).__name__} at {place}", hint=None, exit_code=70
    )


def _last_words(connection: socket.socket, failed: Failed) -> int:
    try:
        connection.sendall(frames.pack_record(Kind.FAILED, failed))
        _hear_out(connection)
    except OSError:  # the daemon is gone
        print(f"kagimori engine: {failed.message}", file=sys.stderr)
    return failed.exit_code


def _hear_out(connection: socket.socket) -> None:
    """Take what the daemon still sends: failing to send it, it would not read the last words."""
    connection.shutdown(socket.SHUT_WR)
    connection.settimeout(PARTING_SECONDS)
    with contextlib.suppress(OSError):
        while connection.recv(RECEIVE_BYTES):
            pass

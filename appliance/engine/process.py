"""The engine: the one process that is logged in to the token, one thread, serving one daemon.

Before it serves it reads the configuration and the ledger itself, verifies the ledger against the
pinned anchor and against the newest one seen, logs in once, and opens every readable key, which checks
its check value. It refuses any pair that no role of the policy has, so that a daemon in an attacker's
hands gains no conversion that nobody has. It ends when the daemon closes the socket.
"""

from __future__ import annotations

import os
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance import configuration
from appliance.configuration import Configuration
from appliance.engine import frames, headmark, pinguard, routes
from appliance.engine.converter import Converter
from appliance.engine.frames import Answer, Convert, Failed, Frame, FrameError, Hello, Kind
from appliance.errors import KagimoriError
from appliance.ledger import chain, files
from appliance.ledger.errors import LedgerError
from appliance.ledger.fold import KeyRecord, LedgerState
from appliance.ledger.states import READABLE
from appliance.numbers.domains import Generation
from appliance.numbers.ff1 import EncryptBlocks
from appliance.token import errors as token_errors
from appliance.token.token import Token

RECEIVE_BYTES = 1 << 18
_PIN_ERRORS = (token_errors.PinWrong, token_errors.PinLocked, token_errors.PinNeeded, pinguard.PinRefusedBefore)
_KEY_ERRORS = (
    token_errors.KeyMissing,
    token_errors.KeyDuplicated,
    token_errors.CheckValueMismatch,
    token_errors.AttributeMismatch,
)


@dataclass(frozen=True)
class Engine:
    """What is served: the verified ledger, and the converter over the token's keys."""

    state: LedgerState
    converter: Converter

    def reply(self, frame: Frame) -> bytes:
        """The frame that answers ``frame``.

        Raises:
            FrameError: not a frame that a daemon sends.
            TokenError: the token no longer works; the engine must end.
        """
        match frame.kind:
            case Kind.CONVERT:
                return self._convert(frame)
            case Kind.PING:
                return frames.pack(Kind.PONG, frame.request)
            case _:
                raise FrameError(f"frame {frame.kind.name}: not for an engine")

    def _convert(self, frame: Frame) -> bytes:
        question = frames.read_convert(frame)
        try:
            source, target = self._admit(question)
            done = self.converter.convert_lines(source, target, question.lines)
        except _Refused as refused:
            return frames.pack(Kind.ERROR, frame.request, refused.code.encode("ascii"))
        except routes.UnknownGeneration:
            return frames.pack(Kind.ERROR, frame.request, b"unknown_generation")
        except routes.GenerationUnusable:
            return frames.pack(Kind.ERROR, frame.request, b"generation_unusable")
        return frames.pack_answer(frame.request, Answer(done.converted, done.malformed, done.unknown, done.text))

    def _admit(self, question: Convert) -> tuple[Generation | None, Generation | None]:
        """Both names resolved, if any role at all has the pair."""
        root = self.state.tree.root.name
        source = routes.resolve(self.state, question.source)
        target = routes.resolve(self.state, question.target)
        pair = (source.domain if source else root, target.domain if target else root)
        if not self.state.policy.grants_anyone(*pair):
            raise _Refused("pair_denied")
        return source, target


class _Refused(Exception):
    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def main(config: Path, descriptor: int) -> int:
    """Run one engine on an inherited socket until the daemon closes it; the exit code."""
    with socket.socket(fileno=descriptor) as connection:
        try:
            return _run(config, connection)
        except KagimoriError as error:
            return _last_words(connection, _failed(error))
        except (BrokenPipeError, ConnectionResetError):  # the daemon is gone, so the engine goes
            return 0
        except Exception as error:
            return _last_words(connection, _defect(error))


def _run(config_path: Path, connection: socket.socket) -> int:
    config = configuration.load(config_path)
    state = load_ledger(config)
    pin = configuration.read_pin(config.token.pin_path)
    pinguard.check(config.state.directory, config.token.pin_path, config.token.pin_credential)
    with _login(config, state, pin) as token:
        opened = open_keys(token, state)
        engine = Engine(state, Converter(state, lambda record: opened[record.generation]))
        connection.sendall(frames.pack_record(Kind.HELLO, _hello(state, token, opened)))
        _serve(connection, engine)
    return 0


def load_ledger(config: Configuration) -> LedgerState:
    """The ledger, verified against the anchor and against the newest one seen.

    Raises:
        LedgerError: refused; the message names the file and the reason.
    """
    entries = chain.verify_entries(files.read(config.ledger.directory), config.ledger.trust_anchor)
    headmark.check(config.state.directory, entries)
    return entries[-1].state


def _login(config: Configuration, state: LedgerState, pin: str) -> Token:
    """One attempt."""
    try:
        token = Token.open(config.token.module, label=config.token.label, serial=state.token_serial, pin=pin)
    except token_errors.PinWrong:
        pinguard.remember(config.state.directory, config.token.pin_path, config.token.pin_credential)
        raise
    pinguard.forget(config.state.directory)
    return token


def open_keys(token: Token, state: LedgerState) -> Mapping[Generation, EncryptBlocks]:
    """Every readable key, its check value checked.

    Raises:
        TokenError: a key is missing, there twice, or not the one that the ledger has.
    """
    readable = (record for record in state.keys.values() if record.state in READABLE)
    return {record.generation: _open_key(token, record) for record in readable}


def _open_key(token: Token, record: KeyRecord) -> EncryptBlocks:
    return token.encrypt_blocks(record.key_id, record.check_value)


def _hello(state: LedgerState, token: Token, opened: Mapping[Generation, EncryptBlocks]) -> Hello:
    facts = token.facts
    return Hello(
        pid=os.getpid(),
        sequence=state.sequence,
        head=state.head,
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


def _serve(connection: socket.socket, engine: Engine) -> None:
    reader = frames.FrameReader()
    while data := connection.recv(RECEIVE_BYTES):
        for frame in reader.feed(data):
            connection.sendall(engine.reply(frame))


def _failed(error: KagimoriError) -> Failed:
    return Failed(reason=_reason(error), message=error.message, hint=error.hint, exit_code=error.exit_code)


def _reason(error: KagimoriError) -> frames.Reason:
    match error:
        case LedgerError():
            return "ledger"
        case _ if isinstance(error, _PIN_ERRORS):
            return "pin"
        case _ if isinstance(error, _KEY_ERRORS):
            return "keys"
        case token_errors.TokenError():
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
    except OSError:  # the daemon is gone
        print(f"kagimori engine: {failed.message}", file=sys.stderr)
    return failed.exit_code

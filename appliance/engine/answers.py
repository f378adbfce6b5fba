"""What an engine answers to each frame, by its own reading of the ledger: default deny, whatever the daemon asks.

A daemon in an attacker's hands gains no conversion that the policy gives to nobody, no disclosure without an order
that the ledger's people signed, no tags by numbers that nobody may look up, and no signature under another history
than was signed before. What it could still have signed is a history that goes on in a way that nobody recorded;
comparing log and answers is the auditors' part.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from appliance.engine import frames, logmark, routes, selftest, singles
from appliance.engine.converter import Converter
from appliance.engine.envelope import Frame, FrameError, Kind, pack
from appliance.engine.frames import CHECKPOINT_REFUSED, Answer, Convert, Refused
from appliance.engine.orders import Orders
from appliance.engine.singles import Tagged
from appliance.errors import KagimoriError
from appliance.ledger.fold import LedgerState
from appliance.numbers.domains import Generation
from appliance.tlog import checkpoint as checkpoints
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.errors import TlogError

Ends = tuple[Generation | None, Generation | None]
Meanwhile = Callable[[Callable[[], None]], None]


@dataclass(frozen=True)
class LogKey:
    """What is signed with: the log's name, the folder of its mark, and the current log key (Ed25519, 64 bytes)."""

    origin: str
    directory: Path
    sign: Callable[[bytes], bytes]


class Engine:
    """What is served: the verified ledger, two converters over the token's keys, the log key. For one thread.

    ``converter`` is for bulk work, ``quick`` for what may come in the middle of that: they share no buffer.
    ``meanwhile`` does what waits for the disk; what came meanwhile may be asked before it returns.
    """

    def __init__(
        self,
        state: LedgerState,
        converter: Converter,
        quick: Converter,
        log: LogKey,
        orders: Orders | None = None,
        meanwhile: Meanwhile = lambda work: work(),
    ) -> None:
        self._state = state
        self._converter, self._quick = converter, quick
        self._log = log
        self._orders = orders or Orders(state)
        self._meanwhile = meanwhile
        self._told = ""

    def reply(self, frame: Frame) -> bytes:
        """The frame that answers ``frame``.

        Raises:
            FrameError: not a frame that a daemon sends.
            TokenError, SelfTestFailed: the token no longer works; the engine must end.
        """
        try:
            return self._reply(frame)
        except Refused as refused:
            return frames.pack_error(frame.request, refused.code)
        except routes.UnknownGeneration:
            return frames.pack_error(frame.request, "unknown_generation")
        except routes.GenerationUnusable:
            return frames.pack_error(frame.request, "generation_unusable")

    def _reply(self, frame: Frame) -> bytes:
        match frame.kind:
            case Kind.CONVERT:
                return frames.pack_answer(frame.request, self._convert(frames.read_convert(frame), self._converter))
            case Kind.CONVERT_NOW:
                return frames.pack_answer(frame.request, self._convert(frames.read_convert(frame), self._quick))
            case Kind.TAG:
                return singles.pack_tagged(frame.request, self._tag(singles.read_tag(frame)))
            case Kind.SIGN:
                return pack(Kind.SIGNED, frame.request, self._sign(singles.read_sign(frame)))
            case Kind.SELF_TEST if not frame.payload:
                self.test()
                return pack(Kind.TESTED, frame.request)
            case Kind.PING:
                return pack(Kind.PONG, frame.request)
            case _:
                raise FrameError(f"frame {frame.kind.name}: not for an engine")

    def test(self) -> None:
        """Convert known numbers there and back; raises as `appliance.engine.selftest.run`."""
        for converter in (self._converter, self._quick):
            selftest.run(self._state, converter)

    def _convert(self, question: Convert, converter: Converter) -> Answer:
        source, target = self._ends(question)
        pair = self._domain(source), self._domain(target)
        if not self._state.policy.grants_anyone(*pair):
            raise Refused("pair_denied")
        order = self._orders.admit(question.order, *pair, question.count)
        converted = 0  # also if there is no usable key on the way
        try:
            done = converter.convert_lines(source, target, question.lines)
            converted = done.converted
        finally:
            if order is not None:
                self._orders.settle(order, question.count, converted)
        return Answer(done.converted, done.malformed, done.unknown, done.text, done.tags)

    def _ends(self, question: Convert) -> Ends:
        return routes.resolve(self._state, question.source), routes.resolve(self._state, question.target)

    def _domain(self, end: Generation | None) -> str:
        return end.domain if end else self._state.tree.root.name

    def _tag(self, question: singles.Tag) -> Tagged:
        source = routes.resolve(self._state, question.source)
        if not self._state.policy.history_for_anyone(self._domain(source)):
            raise Refused("pair_denied")
        return self._quick.tags_of(source, question.line)

    def _sign(self, text: str) -> bytes:
        """The signature under a checkpoint: only after it is remembered durably that it was signed."""
        try:
            checkpoint = self._checkpoint(text)
            self._meanwhile(lambda: logmark.advance(self._log.directory, checkpoint))
        except (TlogError, logmark.LogmarkUnusable, logmark.CheckpointBehind) as error:
            self._tell(error)
            raise Refused(CHECKPOINT_REFUSED) from None
        return self._log.sign(text.encode("utf-8"))

    def _checkpoint(self, text: str) -> Checkpoint:
        checkpoint = checkpoints.parse_text(text)
        if checkpoint.origin != self._log.origin:
            raise logmark.CheckpointBehind(f"a checkpoint of {checkpoint.origin}; this log is {self._log.origin}")
        return checkpoint

    def _tell(self, error: KagimoriError) -> None:
        """A frame has no room for the reason, so it goes where the daemon's log goes; once, while it stays the same."""
        if error.message != self._told:
            print(f"kagimori engine: checkpoint not signed: {error.message}", file=sys.stderr)
        self._told = error.message

"""Counts the interpreter's steps (bytecode instructions) in one thread, by the part of the code that they belong to.

The count is nearly the same on any machine and at any hour, as no time is; what native code does within a step is not
in it. See sys.settrace, and ``f_trace_opcodes`` of a frame.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

Place = tuple[str, str]
"""File and function."""


class Steps:
    """Counts from `begin` to `end`, in frames that begin meanwhile. For the thread that calls it."""

    def __init__(self) -> None:
        self.counts: Counter[Place] = Counter()

    def begin(self) -> None:
        """From here on."""
        sys.settrace(self._enter)

    def end(self) -> None:
        """No further."""
        sys.settrace(None)

    def _enter(self, frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        place, counts = (frame.f_code.co_filename, frame.f_code.co_qualname), self.counts

        def step(frame: FrameType, event: str, argument: object) -> Callable[..., Any]:
            if event == "opcode":
                counts[place] += 1
            return step

        return step

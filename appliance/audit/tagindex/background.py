"""How a thread gives way to those who answer: a lower priority, short turns on the processor, places to end them.

The scheduler lets a thread finish its turn, 3 ms or so, before one that woke up takes the processor; so long would the
event loop wait, several times in one request, whenever the index has work. From Linux 6.12 on a thread can ask for
shorter turns (sched_setattr(2), ``sched_runtime`` of SCHED_OTHER); its share of the processor stays the same, so it
never starves while it holds the interpreter's lock. Older kernels ignore or refuse it.

That alone does not make it give way (`appliance.yielding` says why). So whatever takes long is done in pieces of about
half a millisecond, numpy's work and system calls alike, with a `pause` after each.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading
from contextlib import suppress

from appliance.yielding import Yielding

PIECE_BYTES = 1 << 16  # copied or written in 30 µs or so
SHARE = 0.25  # it goes on for so much of the time that others took when it paused: a fifth of a busy processor is its
NICENESS = 5
SLICE_NANOSECONDS = 100_000  # the shortest that the kernel gives
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # no function of the C library before glibc 2.41
_here = threading.local()
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # sched_attr: size, policy, flags, nice, priority, runtime, deadline, period


def give_way() -> None:
    """For the calling thread (on Linux each has a priority of its own). What the system refuses is left as it was."""
    _here.others = Yielding(SHARE)
    thread = threading.get_native_id()
    with suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
        _take_short_turns(thread, niceness)


def pause() -> None:
    """Between two pieces of work: a thread that gives way lets the others go first, any other goes on."""
    others: Yielding | None = getattr(_here, "others", None)
    if others is not None:
        others.now()


def _take_short_turns(thread: int, niceness: int) -> None:
    number = _SCHED_SETATTR.get(platform.machine())
    syscall = getattr(ctypes.CDLL(None), "syscall", None)
    if number is not None and syscall is not None and platform.system() == "Linux":
        wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, niceness, 0, SLICE_NANOSECONDS, 0, 0)
        syscall(ctypes.c_long(number), ctypes.c_int(thread), wanted, ctypes.c_uint(0))

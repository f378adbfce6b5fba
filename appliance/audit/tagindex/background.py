"""How a thread gives way to those who answer: a lower priority, and short turns on the processor.

The scheduler lets a thread finish its turn, 3 ms or so, before one that woke up takes the processor; so long would the
event loop wait, several times in one request, whenever the index has work. From Linux 6.12 on a thread can ask for
shorter turns (sched_setattr(2), ``sched_runtime`` of SCHED_OTHER); its share of the processor stays the same, so it
never starves while it holds the interpreter's lock. Older kernels ignore or refuse it.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading
from contextlib import suppress

NICENESS = 5
SLICE_NANOSECONDS = 100_000  # the shortest that the kernel gives
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}  # no function of the C library before glibc 2.41
_ATTRIBUTES = struct.Struct("=IIQiIQQQ")  # sched_attr: size, policy, flags, nice, priority, runtime, deadline, period


def give_way() -> None:
    """For the calling thread (on Linux each has a priority of its own). What the system refuses is left as it was."""
    thread = threading.get_native_id()
    with suppress(OSError):
        niceness = os.getpriority(os.PRIO_PROCESS, thread) + NICENESS
        os.setpriority(os.PRIO_PROCESS, thread, niceness)
        _take_short_turns(thread, niceness)


def _take_short_turns(thread: int, niceness: int) -> None:
    number = _SCHED_SETATTR.get(platform.machine())
    syscall = getattr(ctypes.CDLL(None), "syscall", None)
    if number is not None and syscall is not None and platform.system() == "Linux":
        wanted = _ATTRIBUTES.pack(_ATTRIBUTES.size, os.SCHED_OTHER, 0, niceness, 0, SLICE_NANOSECONDS, 0, 0)
        syscall(ctypes.c_long(number), ctypes.c_int(thread), wanted, ctypes.c_uint(0))

"""What a process does first that will hold a PIN, a token's login or people's numbers, so that nobody gets to see them.

No core dumps, no reading by other processes of the same user (``PR_SET_DUMPABLE``, prctl(2)), and where a PIN is held
no way of its pages to a swap disk (mlockall(2)); Linux only. And no exception's text, which may quote anything, where
Python would print it by itself.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import threading
import traceback
from pathlib import Path
from types import TracebackType

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_MCL_CURRENT, _MCL_FUTURE, _MCL_ONFAULT = 1, 2, 4


def forbid_reading() -> None:
    """To be called before any secret is there.

    Raises:
        OSError: the kernel refused.
    """
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    control(_PR_SET_DUMPABLE, 0)


def end_with_parent() -> None:
    """Be killed when the thread ends that started this process, however that comes (``PR_SET_PDEATHSIG``).

    Raises:
        OSError: the kernel refused.
    """
    control(_PR_SET_PDEATHSIG, signal.SIGKILL)


def lock_memory() -> str | None:
    """Keep every page of this process, now and later, out of swap, as soon as it is touched.

    Returns:
        None: they are locked. Else why not, in a few words: it is for the caller to tell, since a machine without swap
        needs no lock.
    """
    if sys.platform != "linux":
        return "this system has no mlockall"
    limits = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limits[1] == resource.RLIM_INFINITY != limits[0]:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (limits[1], limits[1]))
    library = ctypes.CDLL(None, use_errno=True)
    if library.mlockall(_MCL_CURRENT | _MCL_FUTURE | _MCL_ONFAULT) == 0:
        if limits[1] == resource.RLIM_INFINITY or _may_lock_anything():
            return None
        library.munlockall()  # the next pages would be refused at the limit, in the middle of work
    return f"the limit is {limits[1]} bytes; LimitMEMLOCK=infinity (systemd) or ulimit -l unlimited lifts it"


def may_be_swapped(swaps: Path = Path("/proc/swaps")) -> bool:
    """Whether the machine has swap now, and none of this process's memory is locked."""
    try:
        return len(swaps.read_text("utf-8").splitlines()) > 1 and _of_myself("VmLck") == "0"
    except OSError:  # no Linux: nobody knows
        return False


def _may_lock_anything() -> bool:
    """Whether this process has CAP_IPC_LOCK, which no limit binds."""
    cap_ipc_lock = 14
    return bool(int(_of_myself("CapEff"), 16) >> cap_ipc_lock & 1)


def _of_myself(fact: str) -> str:
    """A word of /proc/self/status, proc(5)."""
    with Path("/proc/self/status").open(encoding="utf-8") as status:
        return next(line.split()[1] for line in status if line.startswith(f"{fact}:"))


def tell_no_exception_text() -> None:
    """Of exceptions that nobody caught, or nobody can catch: one line, with what they are and where."""

    def tell(what: str, kind: type[BaseException] | None, trace: TracebackType | None) -> None:
        places = traceback.extract_tb(trace)
        where = f" at {Path(places[-1].filename).name}:{places[-1].lineno}" if places else ""
        print(f"kagimori: {what}: {'exception' if kind is None else kind.__name__}{where}", file=sys.stderr)

    sys.excepthook = lambda kind, error, trace: tell("not caught", kind, trace)
    sys.unraisablehook = lambda facts: tell("ignored", facts.exc_type, facts.exc_traceback)
    threading.excepthook = lambda facts: tell("not caught in a thread", facts.exc_type, facts.exc_traceback)


def running_as_root() -> bool:
    """Whether this process could do anything on the machine, which no part of Kagimori needs."""
    return os.geteuid() == 0


def control(option: int, value: int) -> None:
    """``prctl``; does nothing where there is none.

    Raises:
        OSError: the kernel refused.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None, use_errno=True)
    if library.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")

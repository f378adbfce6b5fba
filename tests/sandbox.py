"""``python -m tests.sandbox UNIT PROGRAM …``: run a program under the filters of system calls that a unit asks for.

systemd makes them with libseccomp, and so does this, from the unit's own lines and systemd's own sets of calls
(``systemd-analyze syscall-filter``): SystemCallFilter=, MemoryDenyWriteExecute=, RestrictAddressFamilies=. So what a
unit forbids can be tried where no systemd runs. Folders and users are not part of it.
"""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
ALLOW, KILL = 0x7FFF0000, 0x80000000
REFUSE = 0x00050000  # with the error's number
NOT_EQUAL, MASKED_EQUAL = 1, 7
SHM_EXEC = 0o100000


class Comparison(ctypes.Structure):
    """struct scmp_arg_cmp, seccomp_rule_add(3)."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


class Filter:
    def __init__(self, default: int) -> None:
        self._library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
        self._library.seccomp_init.restype = ctypes.c_void_p
        self._context = ctypes.c_void_p(self._library.seccomp_init(ctypes.c_uint32(default)))
        assert self._context

    def rule(self, call: str, action: int, *comparisons: Comparison) -> None:
        number = self._library.seccomp_syscall_resolve_name(call.encode())
        if number < 0:  # not on this machine
            return
        array = (Comparison * len(comparisons))(*comparisons)
        done = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(action), number, len(comparisons), array
        )
        assert done == 0, (call, os.strerror(-done))

    def load(self) -> None:
        assert self._library.seccomp_load(self._context) == 0


def sets() -> dict[str, list[str]]:
    """The sets of system calls that systemd knows, by name."""
    from tests.servicekit import tool

    told = subprocess.run([tool("systemd-analyze"), "syscall-filter"], capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {}
    for line in told.stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            found[word] = listed = []
        elif line.startswith("    ") and not word.startswith("#"):
            listed.append(word)
    return found


def allowed(lines: list[str]) -> set[str]:
    """What SystemCallFilter= lines leave, taken in order; the first one must be a list of what is allowed."""
    known = sets()

    def calls(word: str) -> Iterator[str]:
        for item in known[word] if word.startswith("@") else (word,):
            yield from calls(item) if item.startswith("@") else (item,)

    left = set(calls("@default"))  # always allowed by systemd
    assert lines and not lines[0].startswith("~")
    for line in lines:
        named = {call for word in line.removeprefix("~").split() for call in calls(word)}
        left = left - named if line.startswith("~") else left | named
    return left


def confine(unit: str) -> None:
    """This process from now on, and its children.

    The filter of calls comes last, since it forbids more filters.
    """
    from tests.servicekit import lines_of

    left = allowed(lines_of(unit, "SystemCallFilter"))
    refusing = Filter(REFUSE | errno.EPERM)
    for call in sorted(left):
        refusing.rule(call, ALLOW)
    others = Filter(ALLOW)
    if lines_of(unit, "MemoryDenyWriteExecute") == ["yes"]:
        executable, both = mmap.PROT_EXEC, mmap.PROT_EXEC | mmap.PROT_WRITE
        others.rule("mmap", REFUSE | errno.EPERM, Comparison(2, MASKED_EQUAL, both, both))
        for call in ("mprotect", "pkey_mprotect"):
            others.rule(call, REFUSE | errno.EPERM, Comparison(2, MASKED_EQUAL, executable, executable))
        others.rule("shmat", REFUSE | errno.EPERM, Comparison(2, MASKED_EQUAL, SHM_EXEC, SHM_EXEC))
    if lines_of(unit, "RestrictAddressFamilies") == ["AF_UNIX"]:
        others.rule("socket", REFUSE | errno.EAFNOSUPPORT, Comparison(0, NOT_EQUAL, socket.AF_UNIX, 0))
    others.load()
    refusing.load()


if __name__ == "__main__":
    confine(sys.argv[1])
    os.execvp(sys.argv[2], sys.argv[2:])

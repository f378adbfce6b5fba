"""The index's thread gives way: lower priority and short turns, for itself alone."""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from appliance.audit.tagindex import background

GETATTR = {"x86_64": 315, "aarch64": 275}


def attributes() -> tuple[int, ...]:
    """sched_getattr of the calling thread: size, policy, flags, nice, priority, runtime, deadline, period."""
    room = ctypes.create_string_buffer(48)
    number = GETATTR[platform.machine()]
    assert ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, room, ctypes.c_uint(48), ctypes.c_uint(0)) == 0
    return struct.unpack("=IIQiIQQQ", room.raw)


def given_way() -> tuple[int, tuple[int, ...]]:
    background.give_way()
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), attributes()


@pytest.mark.skipif(platform.machine() not in GETATTR, reason="the number of the system call is not known here")
def test_the_thread_alone_gives_way() -> None:
    before, mine = os.getpriority(os.PRIO_PROCESS, threading.get_native_id()), attributes()
    with ThreadPoolExecutor(1) as other:
        niceness, found = other.submit(given_way).result()
    assert niceness == min(19, before + background.NICENESS) == found[3]
    release = tuple(int(part) for part in platform.release().split(".")[:2])
    if release >= (6, 12):
        assert found[5] == background.SLICE_NANOSECONDS
    assert attributes() == mine


def test_what_the_system_refuses_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", refuse)
    with ThreadPoolExecutor(1) as other:
        niceness, _ = other.submit(given_way).result()
    assert niceness == os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

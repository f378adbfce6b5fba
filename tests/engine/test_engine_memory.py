"""What a long-running process frees stays with it, and what it began with is not searched again."""

from __future__ import annotations

import subprocess
import sys

import pytest
from softhsmkit import PROJECT

LARGE = """
import gc, resource
from appliance import memory
{call}

def large_frames():
    frames = [bytearray(200_000) for _ in range(12)]  # as much as a dozen answers of an engine

for _ in range(3):
    large_frames()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    large_frames()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(script: str) -> int:
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_freed_memory_is_not_asked_of_the_kernel_again() -> None:
    without, kept = (run(LARGE.format(call=call)) for call in ("", "memory.keep_freed_memory()"))
    if without < 1_000:
        pytest.skip("this malloc keeps what is freed by itself")
    assert kept < without / 100


def test_what_was_made_before_is_left_out_of_the_collector_s_search() -> None:
    script = (
        "import gc; from appliance import memory\n"
        "kept = [[n] for n in range(10_000)]; memory.settle()\n"
        "print(gc.get_freeze_count() > 10_000 and len(gc.get_objects()) < 1_000)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"

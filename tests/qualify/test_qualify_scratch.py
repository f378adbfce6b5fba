"""Whatever happens to a run, its scratch objects go; what could not go, the next run refuses, and removes on demand."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic, sleep

import pytest

from tests import vendorkit
from tests.shimkit import Shim
from tests.vendorkit import Vendor

PATIENCE = 90.0


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    """In front of the token, so that a run is where a test wants it."""
    return Shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def vendor(tmp_path_factory: pytest.TempPathFactory, shim: Shim) -> Vendor:
    made = vendorkit.softhsm2(tmp_path_factory.mktemp("scratch") / "token")
    return replace(made, module=shim.module, variables={**made.variables, **shim.variables})


def started(vendor: Vendor, shim: Shim, fault: str) -> subprocess.Popen[str]:
    """A run that has made scratch objects, and is in C_CopyObject."""
    assert there(vendor) == 0
    shim.do(fault)
    command = [sys.executable, "-m", "appliance.cli", "qualify", *vendor.options]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(command, env=vendor.environment, text=True, **pipes)
    wait_for(lambda: shim.met()[fault] > 0 or process.poll() is not None)
    assert process.poll() is None, process.communicate()
    assert there(vendor) > 0
    return process


def wait_for(reached: Callable[[], bool]) -> None:
    until = monotonic() + PATIENCE
    while not reached():
        assert monotonic() < until
        sleep(0.2)


def there(vendor: Vendor) -> int:
    """How many scratch objects an outside judge sees."""
    return vendorkit.listed(vendor).count("kagimori-qualify")


def workers(of: int) -> list[int]:
    """Processes that talk to the token for a run."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError):
                continue
            if b"appliance.qualify.worker" in words and parent == of:
                found.append(int(entry.name))
    return found


def test_stopped_by_somebody_impatient_it_cleans_up(vendor: Vendor, shim: Shim) -> None:
    running = started(vendor, shim, "C_CopyObject hang")
    running.send_signal(signal.SIGINT)
    sleep(0.3)
    running.send_signal(signal.SIGTERM)
    out, err = running.communicate(timeout=PATIENCE)
    assert (running.returncode, out, err.strip()) == (1, "", "error: stopped")
    assert there(vendor) == 0


def test_killed_its_worker_cleans_up(vendor: Vendor, shim: Shim) -> None:
    running = started(vendor, shim, "C_CopyObject delay 4000")
    running.kill()
    running.communicate()
    wait_for(lambda: there(vendor) == 0)


def test_with_both_killed_the_next_run_refuses_and_cleans_on_demand(vendor: Vendor, shim: Shim) -> None:
    running = started(vendor, shim, "C_CopyObject hang")
    [worker] = workers(running.pid)
    running.send_signal(signal.SIGSTOP)  # else it would start the next worker at once
    os.kill(worker, signal.SIGKILL)
    running.kill()
    running.communicate()
    shim.clear()
    left = there(vendor)
    assert left > 0
    refused = vendor.qualify("--quick")
    assert refused.returncode == 5 and refused.stdout == ""
    assert refused.stderr == (
        f"error: token 'kagimori-trial': {left} scratch objects of another run are there\n"
        "hint: if none is running, --clean removes them and goes on\n"
    )
    assert there(vendor) == left

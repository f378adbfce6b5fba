"""A disk that is really full, and one that cannot be written: a small file system of its own, in a mount namespace.

Where the kernel lets nobody mount one, `SmallDisk` stands before the system's calls in the same child process, so
the same is asserted everywhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from auditkit import fill

TESTS = Path(__file__).parents[1]
BYTES = 3 << 20
UNSHARE = ("unshare", "--map-root-user", "--mount", "--propagation", "private")

FULL = """
import asyncio, json, os, sys
from pathlib import Path

directory, mounted = Path(sys.argv[1]), sys.argv[2] == "mounted"
sys.path.insert(0, sys.argv[3])
import pytest
from auditkit import AuditLog, SmallDisk, conversion, open_log, tag
from appliance.audit import commit as module, records
from appliance.audit.errors import AuditUnavailable

if not mounted:
    SmallDisk(directory, 3 << 20).patch(pytest.MonkeyPatch())
ballast = directory / "ballast"
ballast.write_bytes(bytes(600_000))
changes, answered, said = [], [], {}

async def main():
    log = open_log(directory)
    commit = module.GroupCommit(log)
    commit.on_change = changes.append
    try:
        while True:
            group = [commit.append(conversion("x" * 300, [tag(n)] * n).record, tag(1) * n, "tag.1") for n in range(40)]
            answered.extend(await asyncio.gather(*group))
    except AuditUnavailable:
        pass
    said["while full"] = (commit.available, log.root().hex() == log.head().root.hex())
    ballast.unlink()
    while not commit.available:
        await asyncio.sleep(0.02)
    said["reserve"] = (directory / "reserve").stat().st_blocks * 512
    said["after"] = await commit.append(records.LedgerRefused(reason="after"))
    await commit.close(5)
    log.close()

asyncio.run(main())
log = open_log(directory)
found = [records.decode(entry) for _, entry, _ in log.read(1)]
for number in answered:
    log.tags(number)
kinds = [type(record).__name__ for record in found]
print(json.dumps({
    "changes": changes, "answered": answered == list(range(1, len(answered) + 1)) and len(answered) > 1000,
    "tail": kinds[len(answered):], "lost": [r.lost for r in found if isinstance(r, records.AuditRegained)],
    "size": log.size == said["after"], "anew": log.repaired_levels, **said,
}))
"""

READ_ONLY = """
import errno, os, sys
from pathlib import Path

directory, mounted = Path(sys.argv[1]), sys.argv[2] == "mounted"
sys.path.insert(0, sys.argv[3])
from auditkit import open_log
from appliance.audit.errors import AuditUnusable

if not mounted:
    real = os.open
    def refuse(path, flags, *rest, **more):
        if flags & (os.O_WRONLY | os.O_RDWR) and str(path).startswith(str(directory)):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *rest, **more)
    os.open = refuse
try:
    open_log(directory)
except AuditUnusable as error:
    print(error.message)
"""


@pytest.fixture(scope="module")
def can_mount(tmp_path_factory: pytest.TempPathFactory) -> bool:
    """Whether this user may have a file system of their own."""
    folder = tmp_path_factory.mktemp("mount")
    command = [*UNSHARE, "mount", "-t", "tmpfs", "none", str(folder)]
    return shutil.which("unshare") is not None and subprocess.run(command, capture_output=True).returncode == 0


def run(script: str, directory: Path, mount: str, can_mount: bool) -> str:
    """The output of a child that runs the script on the folder, in which ``mount`` was done first if that can be."""
    python = [sys.executable, "-c", script, str(directory), "mounted" if can_mount else "stood for", str(TESTS)]
    command = [*UNSHARE, "sh", "-c", f'{mount} && exec "$@"', "sh", *python] if can_mount else python
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, env={**os.environ, "DIR": str(directory)}
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_full_disk_is_recorded_nothing_answered_is_lost_and_it_passes(tmp_path: Path, can_mount: bool) -> None:
    mount = f'mount -t tmpfs -o size={BYTES} none "$DIR"'
    said: dict[str, Any] = json.loads(run(FULL, tmp_path, mount, can_mount))
    assert said.pop("answered"), "every answered record, with its tags"
    assert said.pop("reserve") >= 1 << 20
    lost = said.pop("lost")
    assert len(lost) == 1
    assert 1 <= lost[0] <= 40
    assert said.pop("tail")[-3:] == ["AuditLost", "AuditRegained", "LedgerRefused"]
    assert said.pop("after") > 1_000
    assert said == {
        "changes": ["No space left on device", None],
        "while full": [False, True],
        "size": True,
        "anew": 0,
    }


def test_a_disk_that_cannot_be_written_refuses_the_start(tmp_path: Path, can_mount: bool) -> None:
    fill(tmp_path, 300)
    mount = 'mount --bind "$DIR" "$DIR" && mount -o remount,bind,ro "$DIR"'
    assert run(READ_ONLY, tmp_path, mount, can_mount) == f"audit log {tmp_path}/lock: Read-only file system\n"


@pytest.mark.parametrize("script", ["FULL", "READ_ONLY"])
def test_what_stands_for_a_mount_gives_the_same(tmp_path: Path, script: str) -> None:
    if script == "FULL":
        test_a_full_disk_is_recorded_nothing_answered_is_lost_and_it_passes(tmp_path, can_mount=False)
    else:
        test_a_disk_that_cannot_be_written_refuses_the_start(tmp_path, can_mount=False)

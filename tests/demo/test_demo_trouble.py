"""What goes wrong around the demo: a folder of somebody else's, a full disk, a long path, an end in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from demokit import Demo, processes_with

from appliance.hubkit import Client


def test_a_folder_of_somebody_elses_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    done = Demo(tmp_path, tmp_path).run()
    assert done.returncode == 1
    assert done.stderr.startswith(f"demo: {tmp_path}: is not empty and no demo made it\n  → name another folder")
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_full_disk_ends_in_one_clear_line(tmp_path: Path) -> None:
    one = Demo(tmp_path / "demo", tmp_path)
    done = one.run(largest_file=20_000)  # enough for keys and ledger, not for the register
    assert done.returncode == 1
    assert done.stderr == f"demo: writing or reading: File too large\n  → logs: {one.folder / 'demo.log'}\n"
    assert "Traceback" not in done.stdout
    assert not (one.folder / "summary.json").exists()


def test_a_pid_file_that_names_another_process_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "appliance").mkdir()
    (tmp_path / ".demo").touch()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        (tmp_path / "appliance" / "daemon.pid").write_text(f"{bystander.pid}\n")
        done = Demo(tmp_path, tmp_path).run(largest_file=10)  # goes no further than to empty the folder
        assert "File too large" in done.stderr
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_stopped_in_the_middle_of_a_folder_too_deep_for_sockets(tmp_path: Path) -> None:
    one = Demo(tmp_path / ("深" * 30) / "demo", tmp_path)
    process = subprocess.Popen(one.command(), env=one.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    until = time.monotonic() + 240
    link = one.folder / "appliance" / "run"
    while not link.is_symlink() or not _ready(link.readlink() / "hub.sock"):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    short = link.readlink()
    assert short.stat().st_mode & 0o777 == 0o700
    process.send_signal(signal.SIGTERM)
    said = process.communicate(timeout=30)[1].decode()
    assert process.returncode == 1
    assert said.startswith("demo: stopped\n  → logs: ")
    assert processes_with(one.config) == []
    assert not short.exists()


def _ready(socket: Path) -> bool:
    with Client(socket) as client:
        return client.ready()

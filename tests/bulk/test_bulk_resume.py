"""Jobs that are cut off: killed, stopped, out of disk, refused; and what resume, status and discard make of them."""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from bulkkit import (
    NEW,
    OLD,
    REKEY,
    Between,
    Numbers,
    arguments,
    asked,
    bulk,
    column,
    ended,
    kill_after,
    rows_done,
    start,
    table,
)

from appliance.bulk.folder import JobFolder
from appliance.bulk.tables.output import FileOutput
from tests.daemonkit import Daemon, copy_world, wait_for
from tests.world import World

FORWARD = ("--from", OLD, "--to", NEW)
SEGMENT = 50


@pytest.fixture
def source(numbers: Numbers, folder: Path) -> Path:
    """Four thousand rows with some bad ones among them."""
    cells = list(numbers.old)
    cells[100], cells[2_000], cells[3_999] = "NOBODYS1234", "", "not a number"
    (folder / "in.csv").write_bytes(table(cells))
    return folder / "in.csv"


def job(source: Path, output: Path, at: Path, *more: str, reference: str = "rotation-1") -> list[str]:
    terms = {**REKEY, "reference": reference}
    return arguments("rekey", source, output, at, terms, *FORWARD, "--segment", str(SEGMENT), *more)


def slow(folder: Path, daemon: Daemon, name: str = "slow") -> Between:
    """A way to the daemon on which every answer takes a while, so that a job can be met in the middle."""

    def change(line: str, answer: bytes) -> bytes:
        time.sleep(0.01)
        return answer

    return Between(folder / name, daemon.world.socket("rekey"), change)


def test_killed_three_times_and_resumed(daemon: Daemon, source: Path, folder: Path) -> None:
    """Byte by byte what an uninterrupted run writes; the log shows what was asked twice: what was on its way."""
    whole, output = folder / "whole.csv", folder / "out.csv"
    assert bulk(*job(source, whole, daemon.world.socket("rekey"), reference="uninterrupted")).code == 1
    with slow(folder, daemon) as between:
        command = job(source, output, between.path, reference="killed")
        for _ in range(3):
            kill_after(start(*command), output, rows_done(output) + random.randrange(1, 900))
            assert not output.exists() and not (folder / "out.csv.rejects.csv").exists()
            command = ["resume", str(output)]
        at = rows_done(output)
        assert 0 < at < 4_000
        done = bulk(*command, "--socket", str(daemon.world.socket("rekey")))
    assert done.code == 1
    assert "rows       4,000\n" in done.out
    for name in ("", ".rejects.csv"):
        assert Path(f"{output}{name}").read_bytes() == Path(f"{whole}{name}").read_bytes()
    assert not Path(f"{output}.job").exists()
    once, more = asked(daemon, "uninterrupted"), asked(daemon, "killed")
    for way in once:
        assert once[way] <= more[way] <= once[way] + 3 * 3 * SEGMENT  # three segments under way at each of three kills


def test_killed_parquet(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    read = pa.table({"number": list(numbers.old), "id": list(range(4_000))})
    pq.write_table(read, folder / "in.parquet", row_group_size=1_000)
    whole, output = folder / "whole.parquet", folder / "out.parquet"
    assert bulk(*job(folder / "in.parquet", whole, daemon.world.socket("rekey"))).code == 0
    with slow(folder, daemon) as between:
        kill_after(start(*job(folder / "in.parquet", output, between.path)), output, 500)
        kill_after(start("resume", str(output)), output, rows_done(output) + 700)
    assert bulk("resume", str(output), "--socket", str(daemon.world.socket("rekey"))).code == 0
    assert pq.read_table(output).column("number").to_pylist() == list(numbers.new)
    assert output.read_bytes() == whole.read_bytes()


def killed_at(kind: type, name: str, before: bool, *command: str) -> int:
    """Run a command in a child of this process that is killed where it calls a method; how the child ended."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    real = getattr(kind, name)

    def killed(*given: object, **named: object) -> None:
        if not before:
            real(*given, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(kind, name, killed)
    os._exit(bulk(*command).code)


FINISHING = [(JobFolder, "prepare"), (JobFolder, "publish"), (JobFolder, "remove"), (FileOutput, "finish")]


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize(("kind", "name"), FINISHING)
def test_killed_while_files_get_their_names(
    daemon: Daemon, source: Path, folder: Path, kind: type, name: str, before: bool
) -> None:
    """Resumed again and again, each time killed there, and at last not: the same files, nothing left."""
    output = folder / "out.csv"
    command = job(source, output, daemon.world.socket("rekey"), "--segment", "2000")
    assert killed_at(kind, name, before, *command) == -signal.SIGKILL
    for _ in range(2):
        if Path(f"{output}.job").exists():
            assert killed_at(kind, name, before, "resume", str(output)) == -signal.SIGKILL
    if Path(f"{output}.job").exists():
        assert bulk("resume", str(output)).code == 1
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["in.csv", "out.csv", "out.csv.census.json", "out.csv.rejects.csv", "out.csv.summary.json"]
    assert len(column(output.read_bytes())) == 3_997
    assert json.loads(Path(f"{output}.summary.json").read_bytes())["rows"] == 4_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_at_a_checkpoint(daemon: Daemon, source: Path, folder: Path, number: signal.Signals) -> None:
    output = folder / "out.csv"
    with slow(folder, daemon) as between:
        heard = lambda: signal.signal(signal.SIGINT, signal.default_int_handler)  # noqa: E731
        running = start(*job(source, output, between.path), preexec_fn=heard)  # in the background it is ignored
        wait_for(lambda: rows_done(output) > 200, 30)
        assert "running" in bulk("status", str(output)).out
        running.send_signal(number)
        done = ended(running)
    assert (done.code, done.out) == (1, "")
    assert done.err == f"error: stopped at the last checkpoint\nhint: appliance bulk resume {output}\n"
    status = bulk("status", str(output), "--json").json
    assert (status["running"], status["rows"], status["read"]) == (False, rows_done(output), False)
    assert 0 < status["done"] < 1
    assert bulk("resume", str(output), "--socket", str(daemon.world.socket("rekey"))).code == 1
    assert len(column(output.read_bytes())) == 3_997


def test_two_runs_at_once(daemon: Daemon, source: Path, folder: Path) -> None:
    output = folder / "out.csv"
    with slow(folder, daemon) as between:
        running = start(*job(source, output, between.path))
        wait_for(lambda: rows_done(output) > 0, 30)
        second = bulk("resume", str(output))
        assert (second.code, second.err.splitlines()[0]) == (
            1,
            f"error: {output}.job: another process works on this job",
        )
        assert "another process works on this job" in bulk("discard", str(output), "--yes").err
        again = bulk(*job(source, output, between.path))
        assert again.err.startswith(
            f"error: {output}.job: a job for this output was begun before and is not finished\n"
        )
        assert f"hint: appliance bulk resume {output}, or appliance bulk discard {output}\n" in again.err
        running.kill()
        running.communicate()


def cut_off(daemon: Daemon, source: Path, folder: Path) -> Path:
    """A job that was killed."""
    with slow(folder, daemon, "cut") as between:
        kill_after(start(*job(source, folder / "out.csv", between.path)), folder / "out.csv", 300)
    return folder / "out.csv"


def test_an_input_that_changed(daemon: Daemon, source: Path, folder: Path) -> None:
    output = cut_off(daemon, source, folder)
    before, times = source.read_bytes(), source.stat()
    source.write_bytes(before.replace(b"name-3,", b"name-4,"))
    done = bulk("resume", str(output), "--socket", str(daemon.world.socket("rekey")))
    assert done.code == 1
    assert done.err.startswith(f"error: {source}: changed since the job began (")
    assert f"appliance bulk discard {output}, and begin anew" in done.err
    source.write_bytes(before)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert bulk("resume", str(output), "--socket", str(daemon.world.socket("rekey"))).code == 1
    assert len(column(output.read_bytes())) == 3_997


def test_discarded(daemon: Daemon, source: Path, folder: Path) -> None:
    output = cut_off(daemon, source, folder)
    assert bulk("discard", str(output), "--yes").out == f"{output}.job: removed\n"
    assert not Path(f"{output}.job").exists() and source.exists()
    missing = bulk("resume", str(output))
    assert missing.err.startswith(
        f"error: {output}.job: there is no unfinished job for {output}\nhint: name the output"
    )
    assert bulk("status", str(output)).code == 1


def test_a_job_that_never_began(folder: Path) -> None:
    """Killed between folder and job.json."""
    output = folder / "out.csv"
    JobFolder(output).create()
    done = bulk("resume", str(output))
    assert done.err == (
        f"error: {output}.job: this job ended before it had begun\nhint: appliance bulk discard {output}\n"
    )
    assert bulk("discard", str(output), "--yes").code == 0


@pytest.mark.parametrize("name", ["job.json", "checkpoint.json"])
def test_a_damaged_job(daemon: Daemon, source: Path, folder: Path, name: str) -> None:
    output = cut_off(daemon, source, folder)
    path = Path(f"{output}.job") / name
    path.write_bytes(path.read_bytes()[:-5])
    done = bulk("resume", str(output))
    assert (done.code, done.err.splitlines()[0].split(" (")[0]) == (3, f"error: {path}: damaged")


def test_a_partial_file_that_is_too_short(daemon: Daemon, source: Path, folder: Path) -> None:
    output = cut_off(daemon, source, folder)
    os.truncate(Path(f"{output}.job") / "output.partial", 100)
    done = bulk("resume", str(output), "--socket", str(daemon.world.socket("rekey")))
    assert done.code == 3
    assert "output.partial: has 100 bytes, but" in done.err


def test_a_full_disk(daemon: Daemon, source: Path, folder: Path) -> None:
    """A limit on files' sizes stands in for it. It stops in time, and goes on when there is room."""
    output = folder / "out.csv"
    command = job(source, output, daemon.world.socket("rekey"))
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))  # noqa: E731
    done = ended(start(*command, preexec_fn=limit))
    assert done.code == 3
    assert done.err == (
        f"error: {output}.job/output.partial: cannot be written (File too large)\n"
        f"hint: make room on the disk; then: appliance bulk resume {output}\n"
    )
    assert rows_done(output) > 0
    assert bulk("resume", str(output)).code == 1
    assert len(column(output.read_bytes())) == 3_997


def test_a_daemon_that_goes_away_and_comes_back(
    bulk_template: World, daemon: Daemon, source: Path, folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Killed and started again in the middle of a job, which only waits."""
    world = copy_world(bulk_template, tmp_path_factory.mktemp("other") / "w")
    output = folder / "out.csv"
    with Daemon(world) as other:
        with slow(folder, other) as between:
            running = start(*job(source, output, between.path))
            wait_for(lambda: rows_done(output) > 200, 30)
            other.signal(signal.SIGKILL)
            other.wait()
            other.start()
            done = ended(running)
        assert (done.code, done.err) == (1, "")
        assert len(column(output.read_bytes())) == 3_997


def test_a_daemon_that_stays_away(daemon: Daemon, source: Path, folder: Path) -> None:
    """After the patience: exit code 6, and how to go on."""
    output = folder / "out.csv"
    cut = []

    def change(line: str, answer: bytes) -> bytes | None:
        cut.append(line)
        return answer if len(cut) < 20 else None

    with Between(folder / "s", daemon.world.socket("rekey"), change) as between:
        done = bulk(*job(source, output, between.path, "--patience", "1"))
    assert done.code == 6
    assert "tried for 1 s\n" in done.err and f"appliance bulk resume {output}\n" in done.err
    assert rows_done(output) > 0
    assert bulk("resume", str(output), "--socket", str(daemon.world.socket("rekey"))).code == 1


def test_another_ledger(daemon: Daemon, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same names there are other keys."""
    output = cut_off(daemon, source, folder)
    path = Path(f"{output}.job") / "job.json"
    said = json.loads(path.read_bytes())
    path.write_text(json.dumps({**said, "anchor": "0" * 64}))
    done = bulk("resume", str(output), "--socket", str(daemon.world.socket("rekey")))
    assert done.code == 1
    assert "this daemon has another ledger than the one the job began with; its keys are other keys" in done.err


def test_a_role_that_may_send_few(daemon: Daemon, numbers: Numbers, folder: Path) -> None:
    """Segments are as small as the role's streams must be."""
    (folder / "in.csv").write_bytes(table(numbers.old[:1_000]))
    terms = arguments("rekey", folder / "in.csv", folder / "out.csv", daemon.world.socket("small"), REKEY, *FORWARD)
    assert bulk(*terms).code == 0
    assert column((folder / "out.csv").read_bytes()) == list(numbers.new[:1_000])
    none = arguments("rekey", folder / "in.csv", folder / "no.csv", daemon.world.socket("nostream"), REKEY, *FORWARD)
    assert "the role nostream may not send streams of numbers\nhint: ask for values_per_stream" in bulk(*none).err


def test_nothing_is_shown_in_a_pipe(daemon: Daemon, source: Path, folder: Path) -> None:
    done = ended(start(*job(source, folder / "out.csv", daemon.world.socket("rekey"))))
    assert done.err == ""
    assert "\x1b" not in done.out


def test_a_bar_on_a_terminal(daemon: Daemon, source: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows, rate and time left."""
    monkeypatch.setenv("COLUMNS", "160")
    leader, follower = os.openpty()
    with slow(folder, daemon) as between:
        running = start(*job(source, folder / "out.csv", between.path), stderr=follower)
        os.close(follower)
        shown = b""
        with contextlib.suppress(OSError):  # at the end the terminal is gone
            while block := os.read(leader, 65_536):
                shown += block
        ended(running)
    os.close(leader)
    for word in (b"re-keying", b"rows", b"/s", b"0:00:"):
        assert word in shown, shown[:2_000]

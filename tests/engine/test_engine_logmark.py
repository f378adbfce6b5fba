"""The newest checkpoint signed is remembered before the signature goes out; no other history is signed after it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from numberkit import make_converter, make_state

from appliance.engine import logmark, marks, singles
from appliance.engine.answers import Engine, LogKey
from appliance.engine.envelope import Kind
from appliance.engine.frames import read_error
from appliance.engine.logmark import FILE_NAME, CheckpointBehind, LogmarkUnusable
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.merkle import EMPTY_ROOT
from tests.enginekit import one

ORIGIN = "kagimori/log/0123456789abcdef/main"


def root(name: object) -> bytes:
    return hashlib.sha256(str(name).encode()).digest()


def checkpoint(size: int, name: object = "", origin: str = ORIGIN) -> Checkpoint:
    return Checkpoint(origin, size, root((size, name)) if size else EMPTY_ROOT)


def mark(directory: Path) -> dict[str, object]:
    return json.loads((directory / FILE_NAME).read_bytes())  # type: ignore[no-any-return]


def test_nothing_signed_yet(tmp_path: Path) -> None:
    assert logmark.read(tmp_path) is None


def test_the_first_checkpoint_is_remembered(tmp_path: Path) -> None:
    logmark.advance(tmp_path, checkpoint(7))
    expected = {"type": "kagimori/log-head/v1", "origin": ORIGIN, "size": 7, "root": checkpoint(7).root.hex()}
    assert mark(tmp_path) == expected
    read = logmark.read(tmp_path)
    assert read is not None
    assert (read.origin, read.size, read.root) == (ORIGIN, 7, checkpoint(7).root.hex())
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) & 0o007 == 0


def test_a_larger_one_moves_the_mark_and_an_equal_one_does_not(tmp_path: Path) -> None:
    for size in (0, 7, 8, 1_000_000):
        logmark.advance(tmp_path, checkpoint(size))
        before = (tmp_path / FILE_NAME).stat().st_ino
        logmark.advance(tmp_path, checkpoint(size))
        assert (tmp_path / FILE_NAME).stat().st_ino == before
        assert mark(tmp_path)["size"] == size


@pytest.mark.parametrize(
    ("refused", "said"),
    [
        (checkpoint(6), "a checkpoint of 6 records; one of 7 was signed before"),
        (checkpoint(0), "a checkpoint of 0 records; one of 7 was signed before"),
        (checkpoint(7, "other"), "a checkpoint of 7 records with another root than was signed before"),
        (checkpoint(7, origin=ORIGIN + "2"), f"a checkpoint of {ORIGIN}2; signed here before was {ORIGIN}"),
        (checkpoint(8, origin=ORIGIN + "2"), f"a checkpoint of {ORIGIN}2; signed here before was {ORIGIN}"),
        (checkpoint(2**53), "at most 9007199254740991 can be remembered"),
    ],
)
def test_what_goes_back_is_refused_and_the_mark_stays(tmp_path: Path, refused: Checkpoint, said: str) -> None:
    logmark.advance(tmp_path, checkpoint(7))
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(CheckpointBehind, match=said):
        logmark.advance(tmp_path, refused)
    assert (tmp_path / FILE_NAME).read_bytes() == before


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), max_size=12))
def test_whatever_is_asked_for_no_two_histories_are_accepted(asked: list[tuple[int, str]]) -> None:
    """A model: what was accepted is at every size one root, and never goes back."""
    accepted: list[Checkpoint] = []
    with pytest.MonkeyPatch.context() as patch:
        disk: dict[str, logmark.Logmark] = {}
        patch.setattr(logmark, "read", lambda directory: disk.get("mark"))
        patch.setattr(logmark, "_replace", lambda path, newer: disk.update(mark=newer))
        patch.setattr(logmark.marks, "lock", lambda path: os.open(os.devnull, os.O_RDONLY))
        for size, name in asked:
            try:
                logmark.advance(Path("/nowhere"), checkpoint(size, name))
            except CheckpointBehind:
                continue
            accepted.append(checkpoint(size, name))
    assert [one.size for one in accepted] == sorted(one.size for one in accepted)
    assert len({(one.size, one.root) for one in accepted}) == len({one.size for one in accepted})
    if asked:
        assert accepted, "the first one is always accepted"


@pytest.mark.parametrize("broken", [b"", b"{}", b"\x00" * 10, b"[1]"])
def test_a_damaged_mark_refuses_any_checkpoint(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(broken)
    for act in (lambda: logmark.read(tmp_path), lambda: logmark.advance(tmp_path, checkpoint(7))):
        with pytest.raises(LogmarkUnusable, match="log-head.json: damaged") as caught:
            act()
        assert (caught.value.exit_code, "find out why" in str(caught.value.hint)) == (3, True)
    assert (tmp_path / FILE_NAME).read_bytes() == broken


def test_every_changed_byte_of_the_mark_refuses_or_is_another_mark(tmp_path: Path) -> None:
    logmark.advance(tmp_path, checkpoint(7))
    whole = (tmp_path / FILE_NAME).read_bytes()
    for place in range(len(whole)):
        (tmp_path / FILE_NAME).write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises((LogmarkUnusable, CheckpointBehind)):
            logmark.advance(tmp_path, checkpoint(7, "other"))
            logmark.advance(tmp_path, checkpoint(6))


def test_a_missing_state_folder_is_not_made(tmp_path: Path) -> None:
    for act in (lambda: logmark.read(tmp_path / "state"), lambda: logmark.advance(tmp_path / "state", checkpoint(1))):
        with pytest.raises(LogmarkUnusable, match="No such file or directory") as caught:
            act()
        assert "not made here" in str(caught.value.hint)
    assert not (tmp_path / "state").exists()


def test_a_leftover_of_a_crash_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "log-head.new").write_bytes(b"half")
    logmark.advance(tmp_path, checkpoint(1))
    assert mark(tmp_path)["size"] == 1
    assert not (tmp_path / "log-head.new").exists()


def test_a_mark_that_cannot_be_written_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(marks.os, "fsync", full)
    with pytest.raises(LogmarkUnusable, match="cannot be written: No space left on device") as caught:
        logmark.advance(tmp_path, checkpoint(1))
    assert caught.value.hint == "is the disk full?"
    assert logmark.read(tmp_path) is None


def test_engines_side_by_side_take_turns(tmp_path: Path) -> None:
    """Many threads with locks of their own, as processes have: the mark ends at the largest, and never went back."""
    seen: list[object] = []
    replace = marks.replace

    def noted(path: Path, content: bytes) -> None:
        seen.append(json.loads(content)["size"])
        replace(path, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(marks, "replace", noted)

        def climb(start: int) -> None:
            for size in range(start, 60, 3):
                try:
                    logmark.advance(tmp_path, checkpoint(size))
                except CheckpointBehind:
                    continue

        threads = [threading.Thread(target=climb, args=(start,)) for start in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert seen == sorted(set(seen)), "strictly rising"  # type: ignore[type-var]
    assert mark(tmp_path)["size"] == 59


# --- the engine's answer to SIGN -------------------------------------------------------------------


def desk(directory: Path, sign: Callable[[bytes], bytes]) -> Engine:
    state = make_state()
    return Engine(state, make_converter(state), make_converter(state), LogKey(ORIGIN, directory, sign))


def ask(engine: Engine, text: str) -> bytes | str:
    answer = one(engine.reply(one(singles.pack_sign(9, text))))
    assert answer.request == 9
    return read_error(answer, Kind.SIGN) if answer.kind is Kind.ERROR else singles.read_signed(answer)


def test_the_mark_is_durable_before_the_signature_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    fsync = os.fsync

    def noted(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "mark"
        steps.append(f"sync {kind}")
        fsync(descriptor)

    def sign(message: bytes) -> bytes:
        assert mark(tmp_path)["size"] == 7
        steps.append("sign")
        return b"s" * 64

    monkeypatch.setattr(os, "fsync", noted)
    assert ask(desk(tmp_path, sign), checkpoint(7).text) == b"s" * 64
    assert steps == ["sync mark", "sync folder", "sign"]


@pytest.mark.parametrize(
    "text",
    [
        "\n",
        "garbage",
        checkpoint(7).text[:-1],
        checkpoint(7).text + "extension\n",
        checkpoint(7).text.replace("\n7\n", "\n07\n"),
        checkpoint(7).text.replace("\n7\n", "\n-7\n"),
        checkpoint(7).text.replace("\n", "\r\n"),
        " " + checkpoint(7).text,
        checkpoint(7, origin=ORIGIN + "2").text,
        checkpoint(7, origin=ORIGIN[:-1]).text,
        checkpoint(6).text,
        checkpoint(7, "other").text,
    ],
)
def test_nothing_else_is_signed(tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str) -> None:
    messages: list[bytes] = []

    def sign(message: bytes) -> bytes:
        messages.append(message)
        return b"s" * 64

    engine = desk(tmp_path, sign)
    assert ask(engine, checkpoint(7).text) == b"s" * 64
    assert ask(engine, text) == ask(engine, text) == "checkpoint_refused"
    said = capfd.readouterr().err
    assert said.count("kagimori engine: checkpoint not signed: ") == 1, "the same reason is told once"
    assert ask(engine, checkpoint(7).text) == b"s" * 64
    assert messages == [checkpoint(7).text.encode()] * 2


def test_another_logs_checkpoint_is_not_signed_even_as_the_first(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    engine = desk(tmp_path, lambda message: b"s" * 64)
    assert ask(engine, checkpoint(7, origin=ORIGIN + "2").text) == "checkpoint_refused"
    assert capfd.readouterr().err == (
        f"kagimori engine: checkpoint not signed: a checkpoint of {ORIGIN}2; this log is {ORIGIN}\n"
    )
    assert logmark.read(tmp_path) is None


def test_an_unusable_mark_refuses_and_the_engine_serves_on(tmp_path: Path) -> None:
    engine = desk(tmp_path, lambda message: b"s" * 64)
    (tmp_path / FILE_NAME).write_bytes(b"?")
    assert ask(engine, checkpoint(7).text) == "checkpoint_refused"
    (tmp_path / FILE_NAME).unlink()
    assert ask(engine, checkpoint(7).text) == b"s" * 64


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from numberkit import make_converter, make_state
from appliance.engine import singles
from appliance.engine.answers import Engine, LogKey
from appliance.engine.envelope import FrameReader
state = make_state()
log = LogKey(sys.argv[2].split("\\n")[0], Path(sys.argv[1]), lambda message: os.kill(os.getpid(), signal.SIGKILL))
engine = Engine(state, make_converter(state), make_converter(state), log)
(frame,) = FrameReader().feed(singles.pack_sign(1, sys.argv[2]))
engine.reply(frame)
"""


def test_killed_between_mark_and_signature_no_other_history_is_signed_afterwards(tmp_path: Path) -> None:
    tests = Path(__file__).resolve().parents[1]
    paths = [str(tests), str(tests.parent)]
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path), checkpoint(7).text, *paths], timeout=60)
    assert done.returncode == -signal.SIGKILL
    assert mark(tmp_path)["size"] == 7
    engine = desk(tmp_path, lambda message: b"s" * 64)
    for other in (checkpoint(6), checkpoint(7, "other")):
        assert ask(engine, other.text) == "checkpoint_refused"
    assert ask(engine, checkpoint(7).text) == b"s" * 64, "what was remembered may still be signed"
    assert ask(engine, checkpoint(8).text) == b"s" * 64

"""Speed never hides a wrong number: every measure stops when an answer is not the known one."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from appliance.engine import frames
from appliance.engine.envelope import FrameReader
from appliance.engine.frames import Answer
from tests.bench import engines, files, peers
from tests.bench.peers import Cipher, Peer
from tests.bench.processes import run_with_peak

QUESTION = frames.pack_convert(1, "sspin.B.1", "sspin.E.1", 1, b"B\n")


@pytest.mark.parametrize("chain", [peers.fastfpe_chain, peers.ff3_chain, peers.pyffx_chain])
def test_peers_convert_there_and_back(chain: type[Peer]) -> None:
    assert chain(3).conversions(0.001) > 0


def test_a_peer_that_answers_wrong_stops_the_bench() -> None:
    same = Cipher(lambda text: text, lambda text: text)
    turns = iter("AB" * 100)
    unsteady = Cipher(lambda text: text[:-1] + next(turns), lambda text: text)
    with pytest.raises(SystemExit, match="bench: a peer answered a wrong number"):
        Peer([same, same, unsteady], 1).conversions(0.01)


def test_a_peer_without_a_verification_at_the_root_stops_the_bench() -> None:
    same, other = Cipher(lambda text: text, lambda text: text), Cipher(lambda text: text, lambda text: "Z" * 11)
    with pytest.raises(SystemExit, match="bench: a peer answered a wrong number"):
        Peer([same, other, same], 1).conversions(0.01)


def _answering(end: socket.socket, lines: list[bytes]) -> threading.Thread:
    """Stands in for an engine: answers each frame with the next of ``lines``, the last one again and again."""

    def answer() -> None:
        reader, given = FrameReader(), 0
        with suppress(OSError):  # the other end is closed
            while data := end.recv(1 << 16):
                for frame in reader.feed(data):
                    text = lines[min(given, len(lines) - 1)]
                    given += 1
                    end.sendall(frames.pack_answer(frame.request, Answer(1, 0, 0, text, bytes(16))))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread


def test_engines_are_driven_and_leave_nothing_behind() -> None:
    ends = [socket.socketpair() for _ in range(2)]
    threads = [_answering(theirs, [b"E\n"]) for _, theirs in ends]
    driven = [engines.Engine(ours) for ours, _ in ends]
    assert engines.drive(driven, QUESTION, b"E\n", 0.05) > 0
    for one, (ours, theirs) in zip(driven, ends, strict=True):
        ours.settimeout(0.3)
        with pytest.raises(TimeoutError):
            one.receive()
        ours.close()
        threads.pop(0).join(5)
        theirs.close()


@pytest.mark.parametrize("lines", [[b"X\n"], [b"E\n", b"E\n", b"E\n", b"X\n"]])
def test_an_engine_that_answers_wrong_stops_the_bench(lines: list[bytes]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = _answering(theirs, lines)
        with pytest.raises(SystemExit, match="bench: an engine answered a wrong number"):
            engines.drive([engines.Engine(ours)], QUESTION, b"E\n", 1.0)
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(5)


@pytest.mark.parametrize("spoil", [lambda data: data[:-1], lambda data: data + b"x", lambda data: b"N" + data[1:]])
def test_a_file_with_a_wrong_row_stops_the_bench(tmp_path: Path, spoil: type[bytes]) -> None:
    lines = b"".join(b"%011d\n" % number for number in range(files.BATCH))
    right = files.HEAD + b"".join(files._blocks(lines, files.BATCH + 3))
    assert right.count(b"\n") == files.BATCH + 4
    path = tmp_path / "out.csv"
    path.write_bytes(right)
    files._require_rows(path, files._blocks(lines, files.BATCH + 3))
    path.write_bytes(spoil(right))
    with pytest.raises(SystemExit, match="bench: the bulk job wrote a wrong row"):
        files._require_rows(path, files._blocks(lines, files.BATCH + 3))


def test_a_command_that_fails_is_shown_with_what_it_said() -> None:
    command = ["sh", "-c", "echo broken; exit 3"]
    with pytest.raises(SystemExit, match=r"(?s)bench: .* failed:\nbroken"):
        run_with_peak(command, {})
    assert run_with_peak(["sleep", "0.2"], {"PATH": "/usr/bin:/bin"}) > 0

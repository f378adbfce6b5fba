"""An exported copy: made, brought up to date, never taken back; each piece proven before it is kept."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from logkit import Log, put, sign
from runkit import Run
from serverkit import LogServer

from appliance.audit import records
from appliance.hubkit.client import Client
from appliance.hubkit.errors import DaemonUnreachable, ProtocolError
from appliance.ledger.actions import Generate
from appliance.oversight import export as exporting
from appliance.oversight.copy import Copy
from appliance.oversight.errors import (
    CheckpointRefused,
    FolderBusy,
    FolderUnusable,
    LogForked,
    LogShrunk,
    PieceMissing,
    PieceWrong,
)
from appliance.oversight.export import Export, Exported
from appliance.oversight.files import locked
from appliance.oversight.remote import Remote
from appliance.oversight.verify.whole import Demands, verify
from appliance.tlog import merkle
from appliance.tlog.checkpoint import Checkpoint
from appliance.tlog.tiles import ENTRIES, bundles_of, tile_of, tiles_of

Serve = Callable[[Path], LogServer]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def export(server: LogServer, folder: Path, anchor: str | None = None) -> Exported:
    folder.mkdir(exist_ok=True)
    with Client(server.path) as client:
        return Export(Remote(client), folder, anchor).run()


@pytest.mark.parametrize("size", [1, 256, 257, 1000])
def test_a_new_copy_is_what_the_daemon_serves(tmp_path: Path, log: Log, serve: Serve, size: int) -> None:
    served = log.write(tmp_path / "served", size, cosigned=size)
    done = export(serve(served), tmp_path / "copy", log.book.anchor)
    assert contents(tmp_path / "copy") == contents(served)
    assert (done.checkpoint, done.before, done.cosigned, done.key) == (log.checkpoint(size), 0, size, "log.1")
    assert done.fetched == sum(1 for _ in (served / "tile").rglob("*") if _.is_file())


@pytest.mark.parametrize(("first", "second"), [(5, 6), (255, 256), (256, 300), (300, 1000), (768, 1000), (1000, 1000)])
def test_only_what_is_new_is_fetched(tmp_path: Path, log: Log, serve: Serve, first: int, second: int) -> None:
    """And partial tiles that have grown are gone afterwards."""
    server = serve(log.write(tmp_path / "first", first))
    export(server, tmp_path / "copy")
    server.folder = log.write(tmp_path / "second", second, cosigned=second)
    before = contents(tmp_path / "copy")
    done = export(server, tmp_path / "copy", log.book.anchor)
    assert contents(tmp_path / "copy") == contents(server.folder)
    assert done.before == first
    new = {path for path in contents(server.folder) if path.startswith("tile/")} - set(before)
    assert done.fetched == len(new)
    assert [path for path in (tmp_path / "copy").rglob("*.p") if not any(path.iterdir())] == []


def test_an_export_that_was_cut_off_goes_on(tmp_path: Path, log: Log, serve: Serve) -> None:
    """What is there and right is kept; what is torn is fetched again; the old checkpoint stands until the end."""
    server = serve(log.write(tmp_path / "first", 300))
    export(server, tmp_path / "copy")
    server.folder = log.write(tmp_path / "second")

    def cut(path: str) -> None:
        if path == "tile/entries/002":
            raise ConnectionError

    server.before = cut
    with pytest.raises(Exception, match="closed the connection"):
        export(server, tmp_path / "copy")
    assert Copy(tmp_path / "copy").head().size == 300
    server.before = lambda path: None
    torn = tmp_path / "copy" / "tile" / "entries" / "001"
    torn.write_bytes(torn.read_bytes()[:1000])
    put(tmp_path / "copy" / "tile/0/003.p/232", bytes(32 * 232))
    server.asked.clear()
    export(server, tmp_path / "copy", log.book.anchor)
    assert "tile/entries/001" in server.asked
    assert "tile/entries/000" not in server.asked
    assert contents(tmp_path / "copy") == contents(server.folder)


def test_a_lost_piece_is_fetched_again(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "served"))
    export(server, tmp_path / "copy")
    (tmp_path / "copy" / "tile/0/001").unlink()
    assert export(server, tmp_path / "copy").fetched == 1
    assert contents(tmp_path / "copy") == contents(server.folder)


@pytest.mark.parametrize("path", ["tile/0/001", "tile/1/000.p/3", "tile/entries/002", "tile/0/003.p/232"])
def test_a_piece_altered_on_the_way_is_not_kept(tmp_path: Path, log: Log, serve: Serve, path: str) -> None:
    served = log.write(tmp_path / "served")
    data = (served / path).read_bytes()
    (served / path).write_bytes(data[:50] + bytes((data[50] ^ 1,)) + data[51:])
    with pytest.raises(PieceWrong, match=path.replace(".", r"\.")):
        export(serve(served), tmp_path / "copy")
    assert path not in contents(tmp_path / "copy")
    assert "checkpoint" not in contents(tmp_path / "copy")


def test_a_piece_that_the_daemon_does_not_have(tmp_path: Path, log: Log, serve: Serve) -> None:
    served = log.write(tmp_path / "served")
    (served / "tile/entries/002").unlink()
    with pytest.raises(PieceMissing, match="tile/entries/002: the daemon does not have it"):
        export(serve(served), tmp_path / "copy")


def test_a_piece_that_is_too_large(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "served", 5))
    server.piece = lambda path, piece=server.piece: piece(path) if "tile" not in path else bytes(400_000)  # type: ignore[method-assign, misc]
    with pytest.raises(PieceWrong, match="tile/0/000.p/5: 400000 bytes; no such piece is so large"):
        export(server, tmp_path / "copy")


def test_pruned_bundles_are_left_out(tmp_path: Path, log: Log, serve: Serve) -> None:
    log.add(records.Pruned(first=513))
    server = serve(log.write(tmp_path / "served"))
    server.gone = {tile_of(ENTRIES, index, log.size).path for index in (0, 1)}
    done = export(server, tmp_path / "copy", log.book.anchor)
    assert done.pruned == 2
    assert verify(tmp_path / "copy", log.book.anchor, Demands()).clean


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000, 65_536, 65_793, 70_000])
def test_the_pieces_of_a_copy_are_counted_right(size: int) -> None:
    every = [*tiles_of(size), *bundles_of(size)]
    assert sorted(exporting._pieces(size)) == sorted(every)
    assert exporting._count(size) == len(every)
    assert sorted(exporting._partial(size)) == sorted(tile for tile in every if not tile.full)


def test_an_unsigned_size_is_not_believed(tmp_path: Path, log: Log, serve: Serve) -> None:
    """Without an anchor a daemon may claim any size: what it cannot show is not waited for, nor held in memory."""
    served = log.write(tmp_path / "served", 512)
    edge = [bytes((number,)) * 32 for number in range(64)]
    put(served / "tile/7/000.p/64", b"".join(edge))
    root = merkle.root(64, lambda height, index: edge[index] if height == 0 else _above(edge, height))
    put(served / "checkpoint", sign(Checkpoint(log.origin, 2**62, root)))
    with pytest.raises(PieceMissing, match="tile/1/000: the daemon does not have it"):
        export(serve(served), tmp_path / "copy")


def _above(hashes: list[bytes], height: int) -> bytes:
    for _ in range(height):
        hashes = merkle.parents(hashes)
    return hashes[0]


# A copy never goes back.


def kept(folder: Path, server: LogServer, error: type[Exception], match: str, anchor: str | None = None) -> None:
    """The export is refused, and the copy is as it was."""
    before = contents(folder)
    with pytest.raises(error, match=match):
        export(server, folder, anchor)
    assert contents(folder) == before


def test_a_log_that_shrank(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "first", 900))
    export(server, tmp_path / "copy")
    server.folder = log.write(tmp_path / "second", 899)
    kept(tmp_path / "copy", server, LogShrunk, "the log shrank: size 900")


@pytest.mark.parametrize("size", [900, 1000])
def test_a_log_that_was_forked(tmp_path: Path, log: Log, serve: Serve, size: int) -> None:
    server = serve(log.write(tmp_path / "first", 900))
    export(server, tmp_path / "copy")
    fork = Log(log.book, entries=log.entries[:899], leaves=log.leaves[:899], clock=log.clock)
    fork.stop()
    server.folder = fork.grow(1000).write(tmp_path / "fork", size)
    kept(tmp_path / "copy", server, LogForked, "the log was forked: size 900")


def test_a_co_signed_checkpoint_of_another_tree(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "first", 900))
    export(server, tmp_path / "copy")
    put(server.folder / "cosigned", sign(Checkpoint(log.origin, 800, b"\1" * 32)))
    with pytest.raises(LogForked, match="size 800, root 0101"):
        export(server, tmp_path / "copy")
    assert Copy(tmp_path / "copy").cosigned() is None


def test_a_newer_co_signed_checkpoint_is_not_replaced_by_an_older_one(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "first", 900, cosigned=800))
    export(server, tmp_path / "copy")
    server.folder = log.write(tmp_path / "second", 1000, cosigned=700)
    assert export(server, tmp_path / "copy").cosigned == 800


def test_a_ledger_altered_or_cut_off(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "first", 900))
    export(server, tmp_path / "copy")
    (server.folder / "ledger/000002.outcome.cms").unlink()
    kept(tmp_path / "copy", server, PieceWrong, "ledger/000002.outcome.cms: not the one in the copy, or missing")


def test_a_ledger_that_grew(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "first", 900))
    export(server, tmp_path / "copy")
    log.book.add([Generate(generation="sspin.B.2", parent="spin.1")], ("ito", "sato", "ueda"))
    server.folder = log.write(tmp_path / "second", 1000)
    export(server, tmp_path / "copy", log.book.anchor)
    assert contents(tmp_path / "copy") == contents(server.folder)


def test_another_log(tmp_path: Path, log: Log, serve: Serve) -> None:
    server = serve(log.write(tmp_path / "first", 900))
    export(server, tmp_path / "copy")
    other = log.fork()
    other.name = "second"
    server.folder = other.write(tmp_path / "second")
    kept(tmp_path / "copy", server, CheckpointRefused, f"the copy is of the log {log.origin}")


def test_a_checkpoint_that_nobody_known_signed(tmp_path: Path, log: Log, serve: Serve) -> None:
    """With the anchor it is refused; without one it is taken, and the export says that nothing vouches for it."""
    served = log.write(tmp_path / "first", 900)
    put(served / "checkpoint", sign(log.checkpoint(900), "log.2"))
    server = serve(served)
    with pytest.raises(Exception, match="not signed by any key"):
        export(server, tmp_path / "copy", log.book.anchor)
    assert contents(tmp_path / "copy") == {}
    assert export(server, tmp_path / "copy").key is None


@pytest.mark.parametrize(
    "answer",
    [
        b'{"files":["../../etc/passwd"]}',
        b'{"files":["000001.authorization.cms/.."]}',
        b'{"files":"x"}',
        b"[]",
        b'{"files":[7]}',
    ],
)
def test_names_that_lead_elsewhere(tmp_path: Path, log: Log, serve: Serve, answer: bytes) -> None:
    """The daemon is not believed: what it lists becomes file names."""
    server = serve(log.write(tmp_path / "served", 5))
    server.piece = lambda path, piece=server.piece: answer if path == "ledger" else piece(path)  # type: ignore[method-assign, misc]
    with pytest.raises(ProtocolError, match="the daemon's list of ledger files is not one"):
        export(server, tmp_path / "copy")
    assert contents(tmp_path / "copy") == {}


# The command.


def test_the_command(tmp_path: Path, log: Log, serve: Serve, run: Run) -> None:
    server = serve(log.write(tmp_path / "served", 900, cosigned=700))
    ran = run("export", tmp_path / "new" / "copy", "--socket", server.path, "--anchor", log.book.anchor)
    assert ran.code == 0
    assert f"900 records of {log.origin}, 900 new" in ran.out
    assert f"root {log.root(900).hex()}, signed by log.1, co-signed up to 700" in ran.out
    server.folder = log.write(tmp_path / "more")
    ran = run("export", tmp_path / "new" / "copy", "--socket", server.path, "--json")
    said = json.loads(ran.out)
    assert (said["size"], said["before"], said["signed_by"], said["cosigned_size"]) == (1000, 900, None, 700)
    again = run("export", tmp_path / "new" / "copy", "--socket", server.path)
    assert "0 new" in again.out
    assert "signature NOT verified (no --anchor was given)" in again.out


def test_the_command_refuses_a_fork_with_1(tmp_path: Path, log: Log, serve: Serve, run: Run) -> None:
    server = serve(log.write(tmp_path / "served", 900))
    run("export", tmp_path / "copy", "--socket", server.path)
    server.folder = log.write(tmp_path / "less", 800)
    ran = run("export", tmp_path / "copy", "--socket", server.path)
    assert ran.code == 1
    assert ran.err.startswith("error: the log shrank: size 900, root ")


def test_no_daemon(tmp_path: Path, run: Run) -> None:
    ran = run("export", tmp_path / "copy", "--socket", tmp_path / "none.sock")
    assert ran.code == DaemonUnreachable.exit_code == 6
    assert "no socket there" in ran.err


def test_a_folder_with_something_else(tmp_path: Path, log: Log, serve: Serve, run: Run) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    ran = run("export", tmp_path, "--socket", serve(log.write(tmp_path / "served")).path)
    assert ran.code == FolderUnusable.exit_code == 3
    assert f"error: {tmp_path}: holds files, but no copy of a log" in ran.err


def test_one_export_at_a_time(tmp_path: Path, run: Run) -> None:
    with locked(tmp_path):
        ran = run("export", tmp_path, "--socket", tmp_path / "none.sock")
    assert ran.code == FolderBusy.exit_code == 3
    assert "another process works on it" in ran.err


def test_a_full_disk(tmp_path: Path, log: Log, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that could not be finished keeps its old checkpoint, and no half file under a name of the log."""
    server = serve(log.write(tmp_path / "first", 300))
    export(server, tmp_path / "copy")
    server.folder = log.write(tmp_path / "second")
    opened = os.open
    full = {"left": 3}

    def failing(path: str, flags: int, *rest: int) -> int:
        if str(path).endswith(".new"):
            full["left"] -= 1
            if full["left"] < 0:
                raise OSError(28, "No space left on device")
        return opened(path, flags, *rest)

    monkeypatch.setattr(os, "open", failing)
    with pytest.raises(FolderUnusable, match="No space left on device"):
        export(server, tmp_path / "copy")
    monkeypatch.undo()
    assert Copy(tmp_path / "copy").head().size == 300
    assert [path for path in contents(tmp_path / "copy") if path.endswith(".new")] == []
    export(server, tmp_path / "copy")
    assert contents(tmp_path / "copy") == contents(server.folder)

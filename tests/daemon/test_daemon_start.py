"""Start: everything is checked before anybody can connect, and a refusal says why. And who may connect."""

from __future__ import annotations

import grp
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

from tests.daemonkit import Daemon, alive, codes, edit_config, kinds, wait_for
from tests.world import World, build_world


def refused(world: World, code: int, *said: str) -> str:
    """A start that must end with the exit code, and say all this; nothing may be left behind."""
    with Daemon(world).launch() as daemon:
        assert daemon.wait() == code, daemon.log
        for text in said:
            assert text in daemon.log
        assert "Traceback" not in daemon.log
        return daemon.log


def test_it_starts_serves_and_stops_cleanly(small: World) -> None:
    with Daemon(small) as daemon:
        engines = daemon.engines()
        path = small.socket("hub")
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200
        assert daemon.stop() == 0
        assert not path.exists()
        assert not any(alive(pid) for pid in engines)
        assert kinds(daemon) == ["start", "ceremony", "ceremony", "ledger_loaded", "conversion", "stop"]
        start, _, _, loaded, _, stop = daemon.records()
        assert start["roles"] == ["hub", "numbering", "oversight", "portal"]
        assert (loaded["sequence"], loaded["head"]) == (2, small.state().head)
        assert stop["reason"] == "SIGTERM"


def test_ctrl_c_stops_it_too(small: World) -> None:
    with Daemon(small) as daemon:
        daemon.signal(signal.SIGINT)
        assert daemon.wait() == 0
        assert daemon.records()[-1]["reason"] == "SIGINT"


def test_engines_get_no_signal_of_the_terminal_and_share_the_processors_as_parts_of_the_daemon(small: World) -> None:
    """A session has a share of the processors of its own (sched(7), autogroup): there it would give way to nobody."""
    with Daemon(small) as daemon:
        engines = daemon.engines()
        assert engines
        assert {os.getsid(pid) for pid in engines} == {os.getsid(daemon.pid)}
        assert os.getpgid(daemon.pid) not in {os.getpgid(pid) for pid in engines}


def test_a_signal_during_the_start_ends_it(small: World) -> None:
    with Daemon(small).launch() as daemon:
        wait_for(lambda: small.audit_segment.exists() and daemon.records())
        assert daemon.stop() == 0, daemon.log
        assert not small.socket("hub").exists()


def test_a_wrong_pin_is_tried_once_and_the_daemon_ends(small: World) -> None:
    small.pin_file.write_text("99999999\n", "ascii")
    edit_config(small, "\n[engine]\nprocesses = 4\n")
    log = refused(small, 5, "wrong PIN; it was tried once")
    assert log.count("tried once") == 1
    assert "99999999" not in log
    refused(small, 5, "the token refused this PIN before; it was not tried again")
    assert not small.socket("hub").exists()


def test_a_changed_ledger_refuses_the_start_by_name(small: World) -> None:
    path = small.ledger / "000002.outcome.cms"
    whole = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    refused(small, 4, "error: 000002.outcome.cms: ")
    assert not small.socket("hub").exists()


def test_a_ledger_put_back_refuses_the_start(small: World) -> None:
    with Daemon(small) as daemon:
        assert daemon.stop() == 0
    for name in ("000002.authorization.cms", "000002.outcome.cms"):
        (small.ledger / name).unlink()
    refused(small, 4, "error: the ledger ends at 000001; 000002 has been seen already", "hint: Somebody put back")


def test_a_role_that_the_policy_does_not_have(small: World) -> None:
    edit_config(small, '\n[[socket]]\nrole = "nobody"\npath = "run/nobody.sock"\n')
    refused(small, 3, "the ledger's policy has no role 'nobody'", "it has: hub, numbering, oversight, portal")


def test_no_socket_at_all(small: World) -> None:
    small.config.write_text(small.config.read_text("utf-8").split("[[socket]]")[0], "utf-8")
    refused(small, 3, "no [[socket]]")


def test_an_unknown_group(small: World) -> None:
    edit_config(small, 'group = "no-such-group"\n')
    refused(small, 3, "there is no group 'no-such-group'")


def test_the_group_of_the_configuration_gets_the_socket(small: World) -> None:
    own = grp.getgrgid(os.getgid())
    edit_config(small, f'group = "{own.gr_name}"\n')
    with Daemon(small):
        facts = small.socket("portal").stat()
        assert (facts.st_gid, stat.S_IMODE(facts.st_mode)) == (own.gr_gid, 0o660)


def test_without_its_audit_folder_it_does_not_start(tmp_path: Path) -> None:
    world = build_world(tmp_path / "w", keys=(), audit=False)
    refused(world, 3, "audit log", "No such file or directory", "it is not made here")
    assert not world.audit_directory.exists()


def test_a_damaged_audit_store_refuses_the_start(small: World) -> None:
    with Daemon(small) as daemon:
        assert daemon.stop() == 0
    whole = small.audit_segment.read_bytes()
    changed = whole.replace(b'"kind":"start"', b'"kind":"stast"')
    small.audit_segment.write_bytes(changed)
    refused(small, 3, "audit log", "record 1", "keep ")
    assert small.audit_segment.read_bytes() == changed


def test_a_missing_configuration(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(tmp_path / "nothing.toml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 3
    assert "nothing.toml: No such file or directory" in done.stderr


def test_a_second_daemon_on_the_same_audit_store(small: World) -> None:
    with Daemon(small) as daemon:
        second = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(small.config)]
        done = subprocess.run(second, env=small.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 3
        assert "already running: another daemon writes it" in done.stderr
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_a_second_daemon_on_the_same_socket(small: World) -> None:
    text = small.config.read_text("utf-8")
    other = small.folder / "other.toml"
    for name in ("audit", "state"):
        (small.folder / f"{name}2").mkdir()
        text = text.replace(f'directory = "{name}"', f'directory = "{name}2"')
    other.write_text(text, "utf-8")
    with Daemon(small) as daemon:
        second = [sys.executable, "-m", "appliance.cli", "serve", "--config", str(other)]
        done = subprocess.run(second, env=small.env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 3
        assert "hub.sock: already running: somebody listens on it" in done.stderr
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200, "the first one keeps its socket"


def test_a_socket_file_that_nobody_listens_on_is_replaced(small: World) -> None:
    with Daemon(small) as daemon:
        engines = daemon.engines()
        daemon.signal(signal.SIGKILL)
        daemon.wait()
        assert small.socket("hub").exists()
        wait_for(lambda: not any(alive(pid) for pid in engines))
    with Daemon(small) as daemon:
        assert daemon.convert("sspin.A", "sspin.B", ["?"]).status == 200


def test_a_file_that_is_no_socket_is_left_alone(small: World) -> None:
    small.socket("hub").write_text("mine", "ascii")
    refused(small, 3, "a file that is no socket is there")
    assert small.socket("hub").read_text("ascii") == "mine"


def test_after_a_crash_a_torn_record_is_removed_and_said(small: World) -> None:
    with Daemon(small) as daemon:
        assert daemon.stop() == 0
        before = len(daemon.records())
    with small.audit_segment.open("ab") as file:
        file.write(b'\0\xff\0\0\0\0{"converted":1,"co')
    with Daemon(small) as daemon:
        repair, start = daemon.records()[before : before + 2]
        assert (repair["kind"], repair["removed"], start["kind"]) == ("repair", 24, "start")
        assert "a torn end was removed" in daemon.log


def test_only_listed_users_are_let_in(small: World) -> None:
    mine = os.getuid()
    text = small.config.read_text("utf-8")
    text = text.replace('role = "hub"\n', f'role = "hub"\nuids = [{mine + 1}]\n')
    text = text.replace('role = "numbering"\n', f'role = "numbering"\nuids = [{mine}]\n')
    small.config.write_text(text, "utf-8")
    with Daemon(small) as daemon:
        for reply in (
            daemon.convert("sspin.A", "sspin.B", ["?"]),
            daemon.stream("sspin.A", "sspin.B", b"?\n"),
            daemon.ask("hub", "GET", "/v1/domains"),
            daemon.ask("hub", "GET", "/v1/status"),
        ):
            assert (reply.status, reply.code) == (403, "caller_denied")
        found = [record for record in daemon.records() if record["kind"] == "refusal"]
        assert [(record["code"], record["uid"], record["pid"]) for record in found] == [
            ("caller_denied", mine, os.getpid())
        ] * 4
        assert daemon.convert("resident", "sspin.B", codes(1), role="numbering").status == 200

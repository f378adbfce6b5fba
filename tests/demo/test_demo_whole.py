"""The demo from end to end, as a person would run it: few residents, a folder of its own, real commands."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import ModuleType

import pytest

from appliance.hubkit import Client, Converted, Failed
from appliance.hubkit.linking import match_key
from tests.world import PROJECT, softhsm

RESIDENTS, EXCHANGES = 300, 40


class Demo:
    """A demo's folder, and how to start it there."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home

    @property
    def summary(self) -> dict[str, object]:
        return json.loads((self.folder / "summary.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]

    @property
    def config(self) -> Path:
        return self.folder / "appliance" / "kagimori.toml"

    @property
    def environment(self) -> dict[str, str]:
        plain = {
            name: value for name, value in os.environ.items() if not name.startswith(("SOFTHSM", "XDG", "KAGIMORI"))
        }
        return {**plain, "PYTHONPATH": str(PROJECT), "HOME": str(self.home)}

    def command(self, *arguments: str) -> list[str]:
        size = ["--residents", str(RESIDENTS), "--exchanges", str(EXCHANGES)]
        return [
            sys.executable,
            str(PROJECT / "softhsm-config" / "demo"),
            "--folder",
            str(self.folder),
            *size,
            *arguments,
        ]

    def run(self, *, largest_file: int = resource.RLIM_INFINITY) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(),
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file)),
        )

    @contextmanager
    def serving(self) -> Iterator[subprocess.Popen[bytes]]:
        """``demo serve`` until the block ends; it is ready."""
        said = self.home / "serve.out"
        with said.open("wb") as out:
            process = subprocess.Popen(self.command("serve"), env=self.environment, stdout=out, stderr=out)
        try:
            until = time.monotonic() + 60
            while " INFO ready " not in said.read_text(encoding="utf-8"):
                assert process.poll() is None, said.read_text(encoding="utf-8")
                assert time.monotonic() < until, said.read_text(encoding="utf-8")
                time.sleep(0.05)
            yield process
        finally:
            said.unlink()
            process.kill()
            process.wait()
            for pid in _processes_with(self.config):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    base = tmp_path_factory.mktemp("d")
    (base / "home").mkdir()
    one = Demo(base / "demo", base / "home")
    done = one.run()
    assert done.returncode == 0, done.stdout + done.stderr
    (base / "stdout").write_text(done.stdout, encoding="utf-8")
    return one


@pytest.fixture(scope="module")
def people() -> ModuleType:
    """The demo's own generator: the truth that its results are compared with."""
    path = PROJECT / "softhsm-config" / "demo" / "people.py"
    spec = importlib.util.spec_from_file_location("demo_people", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["demo_people"] = module
    spec.loader.exec_module(module)
    return module


def test_every_step_and_the_commands_to_go_on_with_are_shown(demo: Demo) -> None:
    said = (demo.folder.parent / "stdout").read_text(encoding="utf-8")
    for words in (
        "Genesis of the ledger",
        "First keys",
        "sector C",
        "Exchanges (情報連携) B → E",
        "What happened",
        "in all",
    ):
        assert words in said
    for command in ("curl --unix-socket", "appliance", "keyceremony", "cms -verify", "--list-objects", "make serve"):
        assert command in said


def test_linking_found_exactly_those_whom_the_register_knows(demo: Demo, people: ModuleType) -> None:
    country = people.invent(RESIDENTS)
    registered = Counter(match_key(resident.attributes) for resident in country.residents)
    for letter, counts in demo.summary["linking"].items():  # type: ignore[attr-defined]
        members = country.members[letter]
        asked = Counter(match_key(member.attributes) for member in members)
        linked = sum(registered[match_key(m.attributes)] == 1 == asked[match_key(m.attributes)] for m in members)
        assert (counts["requests"], counts["linked"]) == (len(members), linked)
        assert sum(counts.values()) == 2 * len(members), "each request is linked or has a reason"
    odd = [m for m in country.members["C"] if m.kind != "same"]
    assert 0 < len(odd) < 0.08 * RESIDENTS
    assert demo.summary["linking"]["C"]["no_resident"] == len(odd)  # type: ignore[index]


def test_exchanges_and_checks_add_up(demo: Demo) -> None:
    summary = demo.summary
    assert (summary["residents"], summary["common_numbers"]) == (RESIDENTS, RESIDENTS)
    exchanges = summary["exchanges"]
    assert isinstance(exchanges, dict)
    assert exchanges == summary["batch"]
    assert exchanges["questions"] == EXCHANGES == exchanges["answered"] + exchanges.get("unknown_to_holder", 0)
    assert exchanges["answered"] > EXCHANGES / 2
    assert summary["checked_pairs"] > RESIDENTS / 3  # type: ignore[operator]
    assert summary["refusals"] == {
        "a random number": "unknown_number",
        "a number of sector A": "unknown_number",
        "369PQRST246, the scheme's own figure": "unknown_number",
        "one character too few": "malformed_number",
    }


def test_the_samples_of_the_scheme_are_in_it(demo: Demo, people: ModuleType) -> None:
    assert "\n01234567890," in (demo.folder / "register.csv").read_text(encoding="utf-8")
    assert people.invent(RESIDENTS).members["C"][0].existing == "135792468"


def test_openssl_accepts_every_file_of_the_ledger_and_prints_the_json(demo: Demo) -> None:
    openssl = str(softhsm()["KAGIMORI_OPENSSL"])
    found = sorted((demo.folder / "appliance" / "ledger").glob("*.cms"))
    assert [path.name for path in found] == [
        f"{n:06}.{kind}.cms" for n in (1, 2, 3) for kind in ("authorization", "outcome")
    ]
    for path in found:
        done = subprocess.run(
            [openssl, "cms", "-verify", "-noverify", "-inform", "DER", "-in", str(path)],
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["type"].startswith("kagimori/")


def test_pkcs11_tool_lists_the_keys_as_they_should_be(demo: Demo) -> None:
    for label in ("appliance", "backup"):
        keys = _secret_keys(demo, label)
        labels = {re.search(r"label:\s+(\S+)", key)[1] for key in keys}  # type: ignore[index]
        assert labels == {"common.1", "spin.1", "tag.1", *(f"sspin.{letter}.1" for letter in "ABCDEF")}
        access = "sensitive, always sensitive, local" if label == "appliance" else "sensitive, extractable"
        for key in keys:
            assert re.search(r"Usage:\s+encrypt\n", key), key
            assert re.search(rf"Access:\s+{access}\n", key), key


def _secret_keys(demo: Demo, label: str) -> list[str]:
    pin = (demo.folder / "pins" / label).read_text().strip()
    paths = softhsm()
    command = [str(paths["KAGIMORI_PKCS11_TOOL"]), "--module", str(paths["KAGIMORI_SOFTHSM_MODULE"])]
    done = subprocess.run(
        [*command, "--token-label", label, "--login", "--pin", pin, "--list-objects", "--type", "secrkey"],
        env={**os.environ, "SOFTHSM2_CONF": str(demo.folder / "softhsm" / "appliance" / "softhsm2.conf")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.split("Secret Key Object")[1:]


def test_script_and_minutes_are_there_in_both_languages(demo: Demo) -> None:
    for name, titles in (
        ("script", ("鍵セレモニー手順書", "Key ceremony script")),
        ("minutes", ("鍵セレモニー議事録", "Minutes of a")),
    ):
        page = (demo.folder / f"{name}.html").read_text("utf-8")
        assert "First keys" in page
        assert all(title in page for title in titles), name


def test_pins_are_nowhere_but_in_their_files(demo: Demo) -> None:
    files = sorted((demo.folder / "pins").iterdir())
    assert len(files) == 12
    assert {path.stat().st_mode & 0o777 for path in files} == {0o400}
    pins = [path.read_bytes().strip() for path in files]
    assert len(set(pins)) == 12
    others = [p for p in demo.folder.rglob("*") if p.is_file() and p.parent.name != "pins" and "tokens" not in p.parts]
    assert len(others) > 15
    for path in others:
        content = path.read_bytes()
        assert not any(pin in content for pin in pins), path
    log = (demo.folder / "demo.log").read_text(encoding="utf-8")
    assert "keyceremony" in log
    assert "--init-token" in log


def test_a_citizen_saw_their_history_and_the_log_was_co_signed(demo: Demo) -> None:
    history = demo.summary["history"]
    assert isinstance(history, dict)
    assert history["conversions"] >= 3
    assert history["records"] > EXCHANGES
    cosigned = demo.summary["cosigned"]
    assert isinstance(cosigned, int)
    assert cosigned >= history["records"]
    note = (demo.folder / "log-copy" / "checkpoint").read_text("utf-8").splitlines()
    assert int(note[1]) >= cosigned
    assert "<svg" in (demo.folder / "report.html").read_text("utf-8")


def test_no_file_of_the_log_holds_anybodys_number(demo: Demo) -> None:
    """Neither the log, nor the daemon's own log, nor what the auditors get: only sectors and register know numbers."""
    numbers: set[bytes] = set()
    for line in (demo.folder / "common-numbers.csv").read_bytes().splitlines()[1:]:
        numbers.update(line.split(b","))
    for letter in "BCE":
        with closing(sqlite3.connect(demo.folder / "sectors" / f"{letter}.sqlite")) as database:
            numbers.update(number.encode() for (number,) in database.execute("SELECT number FROM link"))
    assert len(numbers) > 4 * RESIDENTS
    looked = [demo.folder / "demo.log", demo.folder / "report.html", demo.folder / "appliance" / "daemon.log"]
    for folder in (demo.folder / "appliance" / "audit", demo.folder / "appliance" / "state", demo.folder / "log-copy"):
        looked += [path for path in folder.rglob("*") if path.is_file()]
    assert len(looked) > 20
    for path in looked:
        content = path.read_bytes()
        assert not [number for number in numbers if number in content], path


def test_nothing_of_the_users_own_is_touched(demo: Demo) -> None:
    assert list(demo.home.rglob("*")) == []


def test_nobody_is_left_running(demo: Demo) -> None:
    assert not (demo.folder / "appliance" / "daemon.pid").exists()
    assert list((demo.folder / "appliance" / "run").iterdir()) == []
    assert _processes_with(demo.config) == []


class TestAgain:
    """A second run, and ``serve``: what an earlier one left is stopped, what somebody else runs is not."""

    def test_serve_answers_and_keeps_others_out_and_stops(self, demo: Demo) -> None:
        number = (demo.folder / "sample").read_text().strip()
        with demo.serving() as process:
            with Client(demo.folder / "appliance" / "run" / "hub.sock") as client:
                asked = [number, "369PQRST246"]
                said = client.convert("sspin.B", "sspin.E", asked, purpose="benefit-check", reference="case-1")
                assert isinstance(said.results[0], Converted)
                assert said.results[1] == Failed("unknown_number")
            assert self._answer_to_the_readme(demo) == {
                "source": "sspin.B.1",
                "target": "sspin.E.1",
                "results": [{"number": said.results[0].number}, {"error": "unknown_number"}],
            }
            second = demo.run()
            assert second.returncode == 1
            assert f"demo: {demo.folder}: another demo runs in it" in second.stderr
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        assert _processes_with(demo.config) == []

    def _answer_to_the_readme(self, demo: Demo) -> dict[str, object]:
        """What the curl command of the README prints, run by a shell as it stands there but for the folder."""
        readme = (PROJECT / "README.md").read_text(encoding="utf-8")
        (command,) = re.findall(r"^```console\n(curl .*?)^```", readme, re.MULTILINE | re.DOTALL)
        curl = str(softhsm()["KAGIMORI_CURL"])
        here = command.replace("var/demo", str(demo.folder)).replace("curl ", f"{curl} -sS ", 1)
        done = subprocess.run(["/bin/sh", "-c", here], capture_output=True, text=True, check=True, timeout=60)
        answer: dict[str, object] = json.loads(done.stdout)
        assert isinstance(answer.pop("record"), int)
        return answer

    def test_a_left_over_daemon_is_stopped_and_all_is_made_anew(self, demo: Demo) -> None:
        before = demo.config.read_text()
        with demo.serving() as process:
            process.kill()  # and so its daemon is left over
            process.wait()
            (left_over, *_) = _processes_with(demo.config)
            done = demo.run()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "A daemon that an earlier run had left behind was stopped." in done.stdout
        assert not Path(f"/proc/{left_over}").exists()
        assert demo.config.read_text() != before, "a new ledger has a new trust anchor"


class TestTrouble:
    def test_a_folder_of_somebody_elses_is_not_touched(self, tmp_path: Path) -> None:
        (tmp_path / "thesis.txt").write_text("precious")
        done = Demo(tmp_path, tmp_path).run()
        assert done.returncode == 1
        assert done.stderr.startswith(f"demo: {tmp_path}: is not empty and no demo made it\n  → name another folder")
        assert (tmp_path / "thesis.txt").read_text() == "precious"

    def test_a_full_disk_ends_in_one_clear_line(self, tmp_path: Path) -> None:
        one = Demo(tmp_path / "demo", tmp_path)
        done = one.run(largest_file=20_000)  # enough for keys and ledger, not for the register
        assert done.returncode == 1
        assert done.stderr == f"demo: writing or reading: File too large\n  → logs: {one.folder / 'demo.log'}\n"
        assert "Traceback" not in done.stdout
        assert not (one.folder / "summary.json").exists()

    def test_a_pid_file_that_names_another_process_stops_nobody(self, tmp_path: Path) -> None:
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

    def test_stopped_in_the_middle_of_a_folder_too_deep_for_sockets(self, tmp_path: Path) -> None:
        one = Demo(tmp_path / ("深" * 30) / "demo", tmp_path)
        process = subprocess.Popen(
            one.command(), env=one.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        until = time.monotonic() + 60
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
        assert _processes_with(one.config) == []
        assert not short.exists()


def _ready(socket: Path) -> bool:
    with Client(socket) as client:
        return client.ready()


def _processes_with(config: Path) -> list[int]:
    """Daemons (not their engines) that run this configuration."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if os.fsencode(config) in arguments and b"serve" in arguments:
            found.append(int(path.parent.name))
    return found

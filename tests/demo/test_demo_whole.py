"""The demo from end to end, as a person would run it: few residents, a folder of its own, real commands."""

from __future__ import annotations

import json
import os
import re
import signal
import sqlite3
import subprocess
from contextlib import closing
from types import ModuleType

import pytest
from demokit import RESIDENTS, Demo, browsing, of_the_demo, processes_with

from appliance.hubkit import Client, Converted, Failed
from tests.daemonkit import alive
from tests.world import PROJECT, softhsm

OFFICES = "ABCDEF"


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    base = tmp_path_factory.mktemp("d")
    (base / "home").mkdir()
    one = Demo(base / "demo", base / "home")
    done = one.run_and_look(base / "found.json")
    assert done.returncode == 0, done.stdout + done.stderr
    (base / "stdout").write_text(done.stdout, encoding="utf-8")
    return one


@pytest.fixture(scope="module")
def people() -> ModuleType:
    """The demo's own generator: the truth that its results are compared with."""
    return of_the_demo("people")


def test_every_step_and_the_commands_to_go_on_with_are_shown(demo: Demo) -> None:
    said = (demo.folder.parent / "stdout").read_text(encoding="utf-8")
    for words in (
        "Genesis of the ledger",
        "First keys",
        "Linking (紐付け) for sector C, with files between the parties",
        "Exchanges (情報連携) between 5 pairs",
        "Rotation of sector E's key while questions go on",
        "A citizen signs in with their card",
        "What happened",
        "in all",
        "The scheme's figures, line by line",
    ):
        assert words in said
    for command in (
        "curl --unix-socket",
        "appliance",
        "keyceremony",
        "cms -verify",
        "--list-objects",
        "make serve",
        "make portal",
    ):
        assert command in said


def test_every_line_of_the_figures_is_ticked_and_in_the_summary(demo: Demo) -> None:
    said = (demo.folder.parent / "stdout").read_text(encoding="utf-8")
    figures = demo.summary["figures"]
    assert isinstance(figures, dict)
    lines = [(text, shown) for figure in figures.values() for text, shown in figure.items()]
    assert len(figures) == 3
    assert len(lines) == 23
    for text, shown in lines:
        assert text in said
        assert shown
    assert "突合できない場合は、分野C担当部局側で必要な調査" in said


def test_linking_is_right_for_everybody_and_complete_for_those_written_otherwise(
    demo: Demo, people: ModuleType
) -> None:
    country = people.invent(RESIDENTS)
    for letter in OFFICES:
        counts = demo.summary["linking"][letter]  # type: ignore[index]
        members = {member.existing: member for member in country.members[letter]}
        assert counts["requests"] == len(members)
        assert sum(counts.values()) == 2 * len(members), "each request is linked or has a reason"
        linked = {members[existing] for existing in _links(demo, letter)}
        assert all(member.resident is not None and member.resident not in country.alike for member in linked)
        sure = {m for m in members.values() if m.sure and m.resident not in country.alike}
        assert sure <= linked
    kinds = demo.summary["kinds"]
    assert isinstance(kinds, dict)
    assert {"width", "no space", "old kanji", "address form", "building left out", "stranger"} <= kinds.keys()
    assert kinds["stranger"]["linked"] == 0


def test_the_inquiries_of_sector_c_are_worked_off(demo: Demo, people: ModuleType) -> None:
    second = demo.summary["second_round"]
    assert isinstance(second, dict)
    assert second["corrected"] == second["linked"] > 0
    assert second["closed"] > 0
    country = people.invent(RESIDENTS)
    alike = [member for member in country.members["C"] if member.resident in country.alike]
    assert second["open"] == len(alike) > 0


def _links(demo: Demo, letter: str) -> dict[str, str]:
    with closing(sqlite3.connect(demo.folder / "sectors" / f"{letter}.sqlite")) as database:
        return dict(database.execute("SELECT existing, number FROM link"))


def test_exchanges_and_checks_add_up(demo: Demo) -> None:
    summary = demo.summary
    assert (summary["residents"], summary["common_numbers"]) == (RESIDENTS, RESIDENTS)
    for counts in (summary["exchanges"], summary["batch"]):
        assert isinstance(counts, dict)
        assert counts["questions"] == counts["answered"] + counts.get("unknown_to_holder", 0)
        assert counts["answered"] > counts["questions"] / 2
    assert summary["checked_pairs"] > RESIDENTS
    assert summary["refusals"] == {
        "a random number": "unknown_number",
        "a number of sector A": "unknown_number",
        "369PQRST246, the scheme's own figure": "unknown_number",
        "one character too few": "malformed_number",
    }


def test_questions_ended_in_every_way_and_all_books_say_the_same(demo: Demo) -> None:
    outcomes = demo.summary["outcomes"]
    assert isinstance(outcomes, dict)
    assert sorted(outcomes.values()) == [
        "answered", "awaiting_linking", "expired", "refused", "refused", "timed_out"
    ]  # fmt: skip
    hub = {}
    for line in (demo.folder / "hub" / "journal.jsonl").read_text("utf-8").splitlines():
        told = json.loads(line)
        hub[told["asker"], told["reference"]] = told["state"]
    books = {
        (letter, reference): state
        for letter in OFFICES
        for reference, state in _rows(demo, letter, "SELECT reference, state FROM asked")
    }
    assert books == hub
    for letter in OFFICES:
        for asker, reference, state in _rows(demo, letter, "SELECT asker, reference, state FROM received"):
            assert (hub[asker, reference], state) in {(state, state), ("timed_out", "sent"), ("expired", "sent")}


def _rows(demo: Demo, letter: str, statement: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(demo.folder / "sectors" / f"{letter}.book.sqlite")) as database:
        return database.execute(statement).fetchall()


def test_the_rotation_went_on_under_traffic_and_left_no_old_number(demo: Demo) -> None:
    rotation = demo.summary["rotation"]
    assert isinstance(rotation, dict)
    assert rotation["rekeyed"] == len(_links(demo, "E"))
    assert rotation["questions"] >= rotation["answered"] >= 80
    with closing(sqlite3.connect(demo.folder / "sectors" / "E.sqlite")) as database:
        assert database.execute("SELECT name FROM generation").fetchall() == [("sspin.E.2",)]
    census = json.loads((demo.folder / "sector-e.2.csv.census.json").read_text("utf-8"))
    assert census["generations"] == {"sspin.E.1": 0, "sspin.E.2": rotation["rekeyed"]}
    with (demo.folder / "sector-e.csv").open(encoding="ascii") as file:
        old = {line.split(",")[1] for line in file.read().splitlines()[1:]}
    assert old.isdisjoint(_links(demo, "E").values())


def test_the_samples_of_the_scheme_are_in_it(demo: Demo, people: ModuleType) -> None:
    assert "\n01234567890," in (demo.folder / "register.csv").read_text(encoding="utf-8")
    assert people.invent(RESIDENTS).members["C"][0].existing == "135792468"


def test_openssl_accepts_every_file_of_the_ledger_and_prints_the_json(demo: Demo) -> None:
    openssl = str(softhsm()["KAGIMORI_OPENSSL"])
    found = sorted((demo.folder / "appliance" / "ledger").glob("*.cms"))
    assert [path.name for path in found] == [
        f"{n:06}.{kind}.cms" for n in range(1, 7) for kind in ("authorization", "outcome")
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
        assert labels == {"common.1", "spin.1", "tag.1", "sspin.E.2", *(f"sspin.{letter}.1" for letter in OFFICES)}
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
    assert len(files) == 16
    assert {path.stat().st_mode & 0o777 for path in files} == {0o400}
    pins = [path.read_bytes().strip() for path in files]
    assert len(set(pins)) == 16
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
    assert history["shown"] >= 3
    assert history["cosigned"] + history["pending"] == history["shown"]
    assert history["conversions"] >= history["shown"]
    assert demo.summary["sign_ins"] == {"a card that was reported lost": "revoked", "the citizen's card": "let in"}
    cosigned = demo.summary["cosigned"]
    assert isinstance(cosigned, int)
    desk = demo.summary["desk"]
    assert isinstance(desk, dict)
    assert desk["marked"] < desk["receipt"] <= cosigned
    note = (demo.folder / "log-copy" / "checkpoint").read_text("utf-8").splitlines()
    assert int(note[1]) >= cosigned
    assert "<svg" in (demo.folder / "report.html").read_text("utf-8")


def test_no_file_of_the_log_holds_anybodys_number(demo: Demo) -> None:
    """Neither the log, nor the daemon's own log, nor what the auditors get: only sectors and register know numbers."""
    numbers: set[bytes] = set()
    for line in (demo.folder / "common-numbers.csv").read_bytes().splitlines()[1:]:
        numbers.update(line.split(b","))
    for letter in OFFICES:
        numbers.update(number.encode() for number in _links(demo, letter).values())
    assert len(numbers) > 4 * RESIDENTS
    looked = [demo.folder / "demo.log", demo.folder / "report.html", demo.folder / "appliance" / "daemon.log"]
    looked += [demo.folder / "hub" / "journal.jsonl", *(demo.folder / "web").glob("*.log")]
    looked += [demo.folder / "web" / "sign-ins.jsonl"]
    for folder in ("appliance/audit", "appliance/state", "log-copy", "web/desk"):
        looked += [path for path in (demo.folder / folder).rglob("*") if path.is_file()]
    assert len(looked) > 20
    for path in looked:
        content = path.read_bytes()
        assert not [number for number in numbers if number in content], path


def test_the_daemon_knew_no_number_that_nobody_sent_or_received(demo: Demo) -> None:
    """No national ID at all; of each sector the numbers that the sector has, and one of A, sent as a wrong one."""
    told = json.loads((demo.folder.parent / "found.json").read_text("utf-8"))
    assert told["spin"][0] == RESIDENTS
    assert all(one[0] > 10 for one in told.values()), "there are people in each sector that it does not know"
    assert [one[3] for one in told.values()] == [0] * 7, "in no file"
    if os.geteuid() and told["spin"][1] is None:
        pytest.skip("a daemon's memory is closed to its own user; root looks into it")
    assert told["spin"][1:3] == [0, 0]
    assert [one[1] for name, one in told.items() if name != "sspin.A"] == [0] * 6
    assert told["sspin.A"][1] <= 1
    assert told["sspin.B"][2] > 0, "what was received can be there, so the search works"


def test_nothing_of_the_users_own_is_touched(demo: Demo) -> None:
    assert list(demo.home.rglob("*")) == []


def test_nobody_is_left_running(demo: Demo) -> None:
    assert not (demo.folder / "appliance" / "daemon.pid").exists()
    assert list((demo.folder / "appliance" / "run").iterdir()) == []
    assert processes_with(demo.config) == []


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
                "target": "sspin.E.2",
                "results": [{"number": said.results[0].number}, {"error": "unknown_number"}],
            }
            second = demo.run()
            assert second.returncode == 1
            assert f"demo: {demo.folder}: another demo runs in it" in second.stderr
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
        assert processes_with(demo.config) == []

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

    def test_the_portal_is_entered_by_the_command_that_is_shown(self, demo: Demo) -> None:
        with demo.portal() as said:
            addresses = re.findall(r"http://127\.0\.0\.1:\d+", said)
            portal, desk = addresses[0], addresses[-1]
            (command,) = re.findall(r"^ +(SOFTHSM2_CONF=.*)$", said, re.MULTILINE)
            (key,) = re.findall(r"password (\S+)", said)
            citizen = browsing().Browsing(portal)
            form = citizen.get("/sign-in")
            signed = subprocess.run(
                ["/bin/sh", "-c", command],
                input=form.between("challenge"),
                cwd=PROJECT,
                env=demo.environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert signed.returncode == 0, signed.stderr
            page = citizen.send("/sign-in", form, answer=signed.stdout)
            assert (page.status, page.path) == (200, "/history")
            assert "さんの記録" in page.text
            assert browsing().Browsing(desk, "desk", key).get("/").status == 200
            assert browsing().Browsing(desk).get("/").status == 401
        assert processes_with(demo.config) == []

    def test_a_left_over_daemon_is_stopped_and_all_is_made_anew(self, demo: Demo) -> None:
        """The last test here: of the demo that was, nothing is left."""
        with demo.serving() as process:
            process.kill()  # and so its daemon is left over
            process.wait()
            (left_over, *_) = processes_with(demo.config)
            done = demo.run(largest_file=100)  # goes no further than to empty the folder
        assert "File too large" in done.stderr
        assert "A daemon that an earlier run had left behind was stopped." in done.stdout
        assert not alive(left_over)
        assert not demo.ledger.exists()
        assert not (demo.folder / "summary.json").exists()

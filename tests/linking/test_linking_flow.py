"""Linking from end to end, both parties' commands, against a real daemon: whoever is cut off, altered or repeated."""

from __future__ import annotations

import csv
import io
import json
import signal
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from linkingkit import (
    SAMPLE,
    Done,
    a_request,
    existing,
    people_csv,
    register_csv,
    residents,
    run,
    struck,
    well,
)

from appliance.hubkit.inquiries import Inquiries
from appliance.hubkit.linking import LinkRequest
from appliance.hubkit.register import FourAttributes, Resident
from appliance.linking import numbering
from appliance.linking.files import NewFile
from appliance.linking.sealed import SealedWriter
from tests.daemonkit import Daemon

STRANGER = FourAttributes("小笠原 鶴亀", "海老名市国分1-1", "1951-09-03", "男")
LATE, TWIN, TWICE, LOST = 5, 7, 11, 13  # places in the register of those with whom something is the matter


@dataclass(frozen=True)
class Parties:
    """Files of both: the register (320 residents, two of them alike), and 310 people of the sector."""

    folder: Path
    socket: Path
    register: list[Resident]

    @property
    def file(self) -> Path:
        return self.folder / "C.sqlite"

    def sector(self, *command: object, typed: str = "") -> Done:
        return run("sector", *command, "--file", self.file, typed=typed)

    def request(self, name: str, *more: object) -> Path:
        well("sector", "request", "--file", self.file, "--out", self.folder / name, *more)
        return self.folder / name

    def link(self, request: Path, out: str, *more: object) -> Done:
        register = self.folder / "register.csv"
        words = ("--register", register, "--socket", self.socket, "--out", self.folder / out)
        return run("numbering", "link", request, *words, *more)

    def answered(self, request: Path, out: str = "answer") -> Path:
        done = self.link(request, out)
        assert done.code == 0, done
        return self.folder / out

    def status(self) -> dict[str, int]:
        return dict(well("sector", "status", "--file", self.file, "--json").json)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.folder.iterdir())


@pytest.fixture
def parties(tmp_path: Path, socket: Path) -> Parties:
    register = residents(320)
    register[TWIN + 1] = replace(register[TWIN], code=register[TWIN + 1].code)
    register_csv(tmp_path / "register.csv", register)
    people = [(existing(place), one.attributes) for place, one in enumerate(register[:310]) if place != TWIN + 1]
    people[LATE] = (people[LATE][0], STRANGER)
    people.append(("999-2", register[TWICE].attributes))
    people_csv(tmp_path / "people.csv", people)
    well("sector", "load", tmp_path / "people.csv", "--file", tmp_path / "C.sqlite", "--sector", "C")
    return Parties(tmp_path, socket, register)


def links(parties: Parties) -> dict[str, str]:
    with sqlite3.connect(parties.file) as db:
        found = dict(db.execute("SELECT existing, number FROM link"))
    db.close()
    return found


def test_from_the_first_request_to_the_last_inquiry(parties: Parties, daemon: Daemon) -> None:
    request = parties.request("request", "--reference", "case-1")
    assert parties.status()["waiting"] == 310
    done = parties.link(request, "answer", "--findings", parties.folder / "findings.csv")
    assert (done.code, done.err) == (0, "")
    told = done.out.splitlines()
    assert told[:5] == [
        "request    case-1 of sector C, 310 people",
        "register   320 residents",
        "matched    306",
        "ambiguous  3",
        "not found  1",
    ]
    assert "numbers    306 of sspin.C.1" in told
    done = parties.sector("receive", parties.folder / "answer")
    assert (done.code, done.out) == (0, "linked     306\ninquiry    4\n")
    now = parties.status()
    assert (now["linked"], now["open"], now["waiting"], now["new"]) == (306, 4, 0, 0)
    assert now["by_reason"] == {"several_requests": 2, "no_resident": 1, "several_residents": 1}

    numbers = links(parties)
    places = [place for place in range(310) if existing(place) in numbers]
    codes = [parties.register[place].code for place in places]
    assert daemon.numbers("resident", "sspin.C.1", codes, role="numbering") == [numbers[existing(p)] for p in places]
    assert numbers[SAMPLE]
    records = [record for record in daemon.records() if record.get("reference") == "case-1"]
    assert sum(record["count"] for record in records if record["kind"] == "conversion") == 306

    right = parties.register[LATE].attributes
    typed = f"{right.name}\n{right.address}\n{right.birth_date}\n{right.sex}\n"
    assert parties.sector("correct", existing(LATE), typed=typed).code == 0
    assert parties.sector("close", "999-2", "--because", "duplicate_record").code == 0
    again = parties.request("again", "--corrected")
    assert parties.sector("receive", parties.answered(again, "answer-2")).out == "linked     1\ninquiry    0\n"
    rest = parties.request("rest")
    assert parties.sector("receive", parties.answered(rest, "answer-3")).out == "linked     1\ninquiry    1\n"
    now = parties.status()
    assert (now["linked"], now["open"], now["closed"]) == (308, 1, 1)
    assert now["by_reason"] == {"several_residents": 1}
    assert {existing(LATE), existing(TWICE)} <= links(parties).keys()

    well("sector", "export", "--file", parties.file, "--csv", parties.folder / "numbers.csv")
    rows = list(csv.reader(io.StringIO((parties.folder / "numbers.csv").read_text())))
    assert rows[1:] == [[one, number, "sspin.C.1"] for one, number in sorted(links(parties).items())]


def test_what_the_sector_receives_tells_nothing_of_the_register(parties: Parties) -> None:
    request = parties.request("request")
    parties.link(request, "answer", "--findings", parties.folder / "findings.csv")
    answer = (parties.folder / "answer").read_text("utf-8")
    assert answer.isascii(), "no name, no address"
    for one in parties.register:
        assert one.code not in answer
        assert one.attributes.birth_date not in answer
    assert (parties.folder / "answer").stat().st_mode & 0o777 == 0o600
    rows = list(csv.DictReader(io.StringIO((parties.folder / "findings.csv").read_text("utf-8"))))
    twin = [row for row in rows if row["reasons"] == "several_residents"]
    assert sorted(int(row["register_line"]) for row in twin) == [TWIN + 2, TWIN + 3]
    lines = (parties.folder / "register.csv").read_text("utf-8").splitlines()
    assert parties.register[TWIN].attributes.name in lines[TWIN + 1]
    assert {row["outcome"] for row in rows} == {"ambiguous", "not_found"}
    assert (parties.folder / "findings.csv").stat().st_mode & 0o777 == 0o600


def test_a_dry_run_asks_for_no_number(parties: Parties, daemon: Daemon) -> None:
    request = parties.request("request")
    before = len(daemon.records())
    register = parties.folder / "register.csv"
    done = well("numbering", "link", request, "--register", register, "--dry-run", "--json").json
    assert (done["asked"], done["matched"], done["ambiguous"], done["not_found"]) == (310, 306, 3, 1)
    assert (done["numbers"], done["answer"], done["generation"]) == (0, None, None)
    assert done["reasons"] == {"several_requests": 2, "no_resident": 1, "several_residents": 1}
    assert len(daemon.records()) == before
    assert parties.names() == ["C.sqlite", "people.csv", "register.csv", "request"]
    assert (
        "numbers    none asked for: a dry run"
        in well("numbering", "link", request, "--register", register, "--dry-run").out
    )
    done2 = run("numbering", "link", request, "--register", register)
    assert (done2.code, "--socket and --out are needed, or --dry-run" in done2.err) == (2, True)


# --- cut off --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "calls"),
    [(SealedWriter.write, 0), (SealedWriter.write, 150), (SealedWriter.seal, 0), (NewFile.publish, 0)],
)
def test_an_authority_killed_leaves_no_half_answer(parties: Parties, method: Callable[..., object], calls: int) -> None:
    request = parties.request("request")
    register, out = parties.folder / "register.csv", parties.folder / "answer"
    command = ("numbering", "link", request, "--register", register, "--socket", parties.socket, "--out", out)
    assert struck(signal.SIGKILL, method, calls, *command).code == -signal.SIGKILL
    assert not out.exists()
    assert parties.sector("receive", parties.answered(request)).code == 0
    assert parties.status()["linked"] == 306


def test_an_authority_stopped_leaves_nothing(parties: Parties) -> None:
    request = parties.request("request")
    register, out = parties.folder / "register.csv", parties.folder / "answer"
    command = ("numbering", "link", request, "--register", register, "--socket", parties.socket, "--out", out)
    before = parties.names()
    for number in (signal.SIGTERM, signal.SIGINT):
        done = struck(number, SealedWriter.write, 10, *command)
        assert (done.code, done.err.strip()) == (1, "error: stopped")
        assert parties.names() == before


def test_a_request_killed_before_it_has_its_name_can_be_cancelled(parties: Parties) -> None:
    out = parties.folder / "request"
    command = ("sector", "request", "--file", parties.file, "--out", out)
    assert struck(signal.SIGKILL, NewFile.publish, 0, *command).code == -signal.SIGKILL
    assert not out.exists()
    done = parties.sector("request", "--out", out)
    assert (done.code, "there is nobody to ask about" in done.err) == (1, True)
    (waiting,) = well("sector", "status", "--file", parties.file, "--json").json["requests"]
    assert parties.sector("cancel", waiting["reference"]).code == 0
    assert parties.sector("receive", parties.answered(parties.request("request"))).code == 0
    assert parties.status()["linked"] == 306


def test_a_request_whose_name_is_taken_meanwhile_does_not_wait(
    parties: Parties, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = NewFile.publish

    def late(file: NewFile) -> None:
        file.path.write_text("precious")
        whole(file)

    monkeypatch.setattr(NewFile, "publish", late)
    done = parties.sector("request", "--out", parties.folder / "request")
    assert (done.code, "exists already" in done.err) == (1, True)
    assert parties.status()["waiting"] == 0


def test_a_sector_killed_while_it_receives_has_stored_nothing(parties: Parties) -> None:
    answer = parties.answered(parties.request("request"))
    command = ("sector", "receive", answer, "--file", parties.file)
    assert struck(signal.SIGKILL, Inquiries.note, 0, *command).code == -signal.SIGKILL
    assert links(parties) == {}
    assert parties.status()["waiting"] == 310
    assert parties.sector("receive", answer).code == 0
    assert parties.status()["linked"] == 306


# --- repeated, altered, foreign ---------------------------------------------------------------------


def test_an_answer_is_received_once(parties: Parties) -> None:
    request = parties.request("request")
    answer = parties.answered(request)
    assert parties.sector("receive", answer).code == 0
    before = links(parties)
    done = parties.sector("receive", answer)
    assert (done.code, done.err) == (0, "")
    assert "this answer was received before, at 20" in done.out
    assert parties.sector("receive", answer, "--json").json == {"already_received": True}
    other = parties.sector("receive", parties.answered(request, "other"))
    if (parties.folder / "other").read_bytes() != answer.read_bytes():  # made in another second
        assert (other.code, "that it answers is answered since" in other.err) == (1, True)
    assert links(parties) == before


def sealed(text: bytes) -> bytes:
    from hashlib import sha256

    return text + b'{"sha256":"%s"}\n' % sha256(text).hexdigest().encode()


def test_an_altered_answer_is_refused(parties: Parties) -> None:
    answer = parties.answered(parties.request("request"))
    whole = answer.read_bytes()
    body, _, _ = whole.rpartition(b'{"sha256"')
    first, _, rest = body.partition(b"\n")
    header = json.loads(first)
    made = {
        "cut off": (whole[:-3], "cut off, or altered"),
        "half": (whole[: len(whole) // 2], "is not|cut off"),
        "a line less": (sealed(first + b"\n" + rest.partition(b"\n")[2]), "that the first line says"),
        "count": (sealed(first.replace(b'"linked":306', b'"linked":305') + b"\n" + rest), "that the first line says"),
        "a number": (whole.replace(json.loads(rest.partition(b"\n")[0])["number"].encode(), b"AAAAAAAAAAA"), "altered"),
        "request": (sealed(body.replace(header["request"].encode(), b"0" * 64)), "it answers another file than"),
        "reference": (sealed(body.replace(header["reference"].encode(), b"r-x")), "r-x that it answers was never made"),
        "sector": (
            sealed(body.replace(b'"sector":"C"', b'"sector":"E"').replace(b"sspin.C", b"sspin.E")),
            "for sector E",
        ),
        "person": (sealed(body.replace(SAMPLE.encode(), b"4711")), "not about exactly the 310 people"),
        "twice": (sealed(body.replace(SAMPLE.encode(), existing(1).encode())), "not about exactly the 310 people"),
    }
    import re

    for what, (data, message) in made.items():
        (parties.folder / "altered").write_bytes(data)
        done = parties.sector("receive", parties.folder / "altered")
        assert done.code == 1, what
        assert re.search(message, done.err), (what, done.err)
        assert "nothing" in done.err
        assert not any(text in done.err for text in (SAMPLE, "369PQ"))
    assert links(parties) == {}
    assert parties.status()["waiting"] == 310
    assert parties.sector("receive", answer).code == 0


def test_an_answer_to_a_cancelled_request_is_refused(parties: Parties) -> None:
    answer = parties.answered(parties.request("request", "--reference", "r-1"))
    assert parties.sector("cancel", "r-1").code == 0
    done = parties.sector("receive", answer)
    assert (done.code, "the request r-1 that it answers is cancelled since" in done.err) == (1, True)
    done = parties.sector("request", "--out", parties.folder / "again", "--reference", "r-1")
    assert (done.code, "the reference was used before" in done.err) == (1, True)
    assert not (parties.folder / "again").exists()


def test_somebody_corrected_while_the_answer_was_under_way_gets_no_number_of_another(parties: Parties) -> None:
    answer = parties.answered(parties.request("request"))
    assert parties.sector("correct", SAMPLE, "--name", "別人 太郎").code == 0
    done = parties.sector("receive", answer)
    assert "left out   1, corrected or closed since they were asked about" in done.out
    assert SAMPLE not in links(parties)
    assert parties.status()["new"] == 1


def test_requests_in_parts(parties: Parties) -> None:
    parts = []
    for number in range(4):
        parts.append(parties.request(f"part-{number}", "--most", 90))
    assert parties.status()["waiting"] == 310
    assert [part.read_bytes().count(b"\n") - 2 for part in parts] == [90, 90, 90, 40]
    for part in reversed(parts):
        assert parties.sector("receive", parties.answered(part, f"{part.name}-answer")).code == 0
    now = parties.status()
    assert now["linked"] == 307
    assert now["by_reason"] == {"already_linked": 1, "no_resident": 1, "several_residents": 1}
    shown = parties.sector("inquiries", "--reason", "already_linked", "--language", "en").out
    assert "their number is linked to another record here" in shown
    assert {existing(TWICE), "999-2"} <= set(shown.split())


# --- refused by the authority's side -----------------------------------------------------------------


def test_what_cannot_be_answered_is_refused_before_the_register_is_read(
    parties: Parties, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = parties.request("request")
    nobody = LinkRequest("1", STRANGER)
    a_request(parties.folder / "other", [nobody], sector="Z")
    monkeypatch.setattr(numbering.register, "parse", lambda file: pytest.fail("the register was read"))
    before = parties.names()
    (parties.folder / "cut").write_bytes(request.read_bytes()[:-1])
    for done, code, message in (
        (parties.link(parties.folder / "cut", "a"), 1, "cut off, or altered; nothing of the file was taken"),
        (parties.link(parties.folder / "nothing", "a"), 3, "No such file or directory"),
        (parties.link(request, "people.csv"), 1, "exists already; nothing is overwritten"),
        (parties.link(request, "a", "--findings", parties.folder / "people.csv"), 1, "exists already"),
        (parties.link(request, "a", "--register", parties.folder), 3, "Is a directory"),
        (parties.link(request, "a", "--purpose", "curiosity"), 1, "purpose curiosity: the role numbering has it not"),
        (parties.link(request, "a", "--socket", daemon.world.socket("hub")), 1, "the role hub has it not"),
        (parties.link(request, "a", "--socket", parties.folder / "no.sock"), 6, "no.sock"),
        (parties.link(parties.folder / "other", "a"), 1, "sspin.Z: the role numbering may not convert this"),
    ):
        assert (done.code, message in done.err) == (code, True), (message, done)
    (parties.folder / "cut").unlink()
    assert parties.names() == before


def test_a_register_with_a_bad_line_is_named_and_nothing_is_left(parties: Parties) -> None:
    request = parties.request("request")
    with (parties.folder / "register.csv").open("a") as file:
        file.write("123,x,y,1970-01-31,男\n")
    before = parties.names()
    done = parties.link(request, "answer", "--findings", parties.folder / "f.csv")
    assert (done.code, "register, line 322: resident_code needs 11 characters" in done.err) == (1, True)
    assert parties.names() == before


def test_more_numbers_than_a_stream_may_have_are_not_begun(
    parties: Parties, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = parties.request("request")
    before = len(daemon.records())
    monkeypatch.setattr(numbering.rights, "segment_size", lambda *_: 305)
    done = parties.link(request, "answer")
    assert (done.code, "306 numbers are more than the 305 that the role may ask for" in done.err) == (1, True)
    assert "appliance sector request --most" in done.err
    assert len(daemon.records()) == before
    assert not (parties.folder / "answer").exists()


def test_a_request_about_nobody_in_the_register_has_an_answer_too(parties: Parties) -> None:
    a_request(parties.folder / "nobody", [LinkRequest("1", STRANGER)])
    done = parties.link(parties.folder / "nobody", "answer")
    assert (done.code, "numbers    0" in done.out.splitlines()) == (0, True)

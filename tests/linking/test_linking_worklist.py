"""The list for inquiry, as a clerk works it off; no daemon is needed for it."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import pytest
from linkingkit import Done, commands, run, well

from appliance.hubkit.inquiries import ALREADY_LINKED, Because, State
from appliance.hubkit.linking import TOLD, Linked, Linking, Unmatched
from appliance.hubkit.register import FourAttributes
from appliance.hubkit.sector import Sector
from appliance.linking import words
from appliance.linking.sector_cli import sector as sector_commands
from appliance.matching.decision import Outcome

A, B, C = "135792468", "246813579", "357924680"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Three people: one linked, two for inquiry."""
    path = tmp_path / "C.sqlite"
    with Sector("C", path) as sector:
        sector.enter((one, FourAttributes(f"山田 {one[0]}子", "桜台市1-2", "1970-01-31", "女")) for one in (A, B, C))
        left = (
            Unmatched(B, Outcome.NOT_FOUND, ("no_resident",)),
            Unmatched(C, Outcome.AMBIGUOUS, ("several_residents",)),
        )
        sector.store(Linking("sspin.C.1", (Linked(A, "369PQRST246"),), left))
    return path


def states(path: Path) -> dict[str, State]:
    with Sector(None, path) as sector:
        return {one.existing: one.state for one in sector.inquiries()}


def known(path: Path, existing: str) -> FourAttributes:
    with Sector(None, path) as sector:
        return {one.existing: one.attributes for one in sector.requests()}[existing]


def told(done: Done) -> dict[str, str]:
    return dict(line.rsplit(maxsplit=1) for line in done.out.splitlines())  # type: ignore[misc]


def test_status_in_both_languages_and_as_json(file: Path) -> None:
    japanese = well("sector", "status", "--file", file).out
    for line in ("分野", "紐付け済み", "要調査", "住基ネットに該当者なし", "該当者が複数", "鍵世代"):
        assert line in japanese
    shown = told(well("sector", "status", "--file", file, "--language", "en"))
    assert (shown["people"], shown["linked"], shown["for inquiry"]) == ("3", "1", "2")
    said = well("sector", "status", "--file", file, "--json").json
    assert said["by_reason"] == {"no_resident": 1, "several_residents": 1}
    assert (said["people"], said["linked"], said["open"], said["generation"]) == (3, 1, 2, "sspin.C.1")


def test_the_list_and_its_table(file: Path, tmp_path: Path) -> None:
    shown = well("sector", "inquiries", "--file", file, "--language", "en").out.splitlines()
    assert shown[0] == f"{B}  open  not found: nobody in the resident register is like that (no_resident)"
    assert "times asked 1  what to do: check the four attributes" in shown[1]
    assert len(shown) == 4
    only = well("sector", "inquiries", "--file", file, "--reason", "several_residents").out
    assert only.startswith(f"{C}  未処理  特定できず: 該当者が複数 (several_residents)\n")
    assert B not in only
    out = tmp_path / "list.csv"
    assert well("sector", "inquiries", "--file", file, "--csv", out).out == f"{out}: 2 people\n"
    first, second = csv.DictReader(io.StringIO(out.read_text("utf-8")))
    assert (first["existing"], first["name"], first["reasons"]) == (B, "山田 2子", "no_resident")
    assert (second["outcome"], second["state"], second["times_asked"]) == ("ambiguous", "open", "1")
    assert "住所を確認" in second["advice"]
    assert out.stat().st_mode & 0o777 == 0o600
    assert "exists already" in run("sector", "inquiries", "--file", file, "--csv", out).err


def test_correcting_one_person_at_the_terminal(file: Path) -> None:
    done = well("sector", "correct", B, "--file", file, typed="山田 二子\n\n昭和46年2月1日\n\n")
    assert "changed    1, corrected" in done.out
    assert "桜台市1-2" in done.err, "what is stored is offered"
    assert known(file, B) == FourAttributes("山田 二子", "桜台市1-2", "1971-02-01", "女")
    assert states(file)[B] is State.CORRECTED
    with Sector(None, file) as sector:
        assert [row[2] for row in sector.rows("SELECT * FROM former")] == ["山田 2子"]


def test_the_existing_number_is_asked_for_too(file: Path) -> None:
    well("sector", "close", "--file", file, "--because", "deceased", typed=f"{B}\n")
    assert states(file)[B] is State.CLOSED
    well("sector", "reopen", "--file", file, typed=f"{B}\n")
    assert states(file)[B] is State.OPEN


def test_correcting_with_options_asks_nothing(file: Path) -> None:
    well("sector", "correct", B, "--file", file, "--name", "山田 二子", "--sex", "M")
    assert known(file, B) == FourAttributes("山田 二子", "桜台市1-2", "1970-01-31", "男")
    done = run("sector", "correct", B, "--file", file, "--birth-date", "令和65年1月1日")
    assert done.code == 1
    assert "nothing was stored" in done.err
    assert "令和" not in done.err
    for one, message in (("999", "nobody here has this existing number"),):
        done = run("sector", "correct", one, "--file", file, "--name", "x")
        assert (done.code, message in done.err, "999" in done.err) == (1, True, False)
    assert run("sector", "correct", B, "--csv", "x.csv", "--file", file).code == 2


def test_the_table_corrected_goes_back(file: Path, tmp_path: Path) -> None:
    well("sector", "inquiries", "--file", file, "--csv", tmp_path / "list.csv")
    rows = [line.split(",")[:5] for line in (tmp_path / "list.csv").read_text("utf-8").splitlines()]
    rows[1][2] = "よそ市3-4"
    text = "\n".join(",".join(row) for row in rows) + "\n999,山田,桜台市,1970-01-31,女\n"
    (tmp_path / "corrections.csv").write_text(text, encoding="utf-8")
    done = run("sector", "correct", "--csv", tmp_path / "corrections.csv", "--file", file)
    assert done.code == 1, "one line is about nobody"
    assert "changed    1, corrected" in done.out
    listed = (tmp_path / "corrections.csv.rejects.csv").read_text("utf-8")
    assert listed == "line,reason\n4,nobody here has this existing number\n"
    assert states(file) == {B: State.CORRECTED, C: State.OPEN}


def test_closing(file: Path) -> None:
    done = run("sector", "close", B, "--file", file, "--because", "boredom")
    assert done.code == 2
    assert "moved_abroad" in done.err
    done = run("sector", "close", B, "--file", file, "--because", "other")
    assert (done.code, "needs a note" in done.err) == (1, True)
    well("sector", "close", B, "--file", file, "--because", "other", "--note", "書類待ち")
    well("sector", "close", C, "--file", file, "--because", "duplicate_record")
    said = well("sector", "status", "--file", file, "--json").json
    assert said["closed_because"] == {"duplicate_record": 1, "other": 1}
    assert (said["open"], said["closed"], said["by_reason"]) == (0, 2, {})
    assert "終了: 記録の重複" in well("sector", "inquiries", "--file", file).out
    done = run("sector", "request", "--file", file, "--out", file.with_name("r"))
    assert (done.code, "sector C: there is nobody to ask about" in done.err) == (1, True)
    assert not file.with_name("r").exists()


def test_export(file: Path, tmp_path: Path) -> None:
    well("sector", "export", "--file", file, "--csv", tmp_path / "numbers.csv")
    assert (tmp_path / "numbers.csv").read_text() == f"existing,number,generation\n{A},369PQRST246,sspin.C.1\n"
    assert (tmp_path / "numbers.csv").stat().st_mode & 0o777 == 0o600


def test_an_export_that_was_rekeyed_comes_back(file: Path, tmp_path: Path) -> None:
    """Its generation column still has the old one: `appliance bulk rekey` changes one column."""
    well("sector", "export", "--file", file, "--csv", tmp_path / "numbers.csv")
    table = tmp_path / "numbers-2.csv"
    table.write_text((tmp_path / "numbers.csv").read_text().replace("369PQRST246", "ANOTHERNUM2"))
    done = well("sector", "rekey", table, "--to", "sspin.C.2", "--file", file)
    assert done.out == "sector C: 1 numbers of sspin.C.1 are now of sspin.C.2\n"
    well("sector", "export", "--file", file, "--csv", tmp_path / "now.csv")
    assert (tmp_path / "now.csv").read_text() == f"existing,number,generation\n{A},ANOTHERNUM2,sspin.C.2\n"
    done = run("sector", "rekey", table, "--to", "sspin.C.2", "--file", file)
    assert (done.code, "sector C holds numbers of sspin.C.2, not of sspin.C.1" in done.err) == (1, True)


def test_an_empty_list_says_so(tmp_path: Path) -> None:
    Sector("C", tmp_path / "C.sqlite").close()
    assert well("sector", "inquiries", "--file", tmp_path / "C.sqlite").out == "調査対象者はいません\n"
    done = run("sector", "export", "--file", tmp_path / "C.sqlite", "--csv", tmp_path / "x")
    assert "sector C has no linkage numbers yet" in done.err


def test_everything_a_clerk_can_meet_has_words_in_both_languages() -> None:
    assert set(words.REASONS) == set(words.ADVICE) == {*TOLD, ALREADY_LINKED}
    assert set(words.STATES) == {str(state) for state in State}
    assert set(words.BECAUSE) == {str(reason) for reason in Because}
    assert set(words.OUTCOMES) == {"ambiguous", "not_found"}
    for texts in (words.REASONS, words.ADVICE, words.STATES, words.BECAUSE, words.OUTCOMES, words.LABELS):
        for text in texts.values():
            assert text.en.isascii()
            assert not text.ja.isascii()


def test_every_command_says_what_it_does_at_once() -> None:
    """What matches is loaded by what matches."""
    for name in commands(sector_commands):
        assert well("sector", name, "--help").out
    code = "import sys; import appliance.cli; sys.exit('appliance.matching.match' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0

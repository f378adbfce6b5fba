"""``appliance sector load``: a sector's own file of people, as other systems write it."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from linkingkit import HEADER, Done, existing, people_csv, residents, run, well

from appliance.hubkit.sector import Sector

GOOD = "135792468,山田 太郎,桜台市1-2,1970-01-31,男\n"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tmp_path / "people.csv"


def load(source: Path, *more: object) -> Done:
    return run("sector", "load", source, "--file", source.parent / "C.sqlite", "--sector", "C", *more)


def stored(source: Path) -> list[tuple[str, ...]]:
    with sqlite3.connect(source.parent / "C.sqlite") as db:
        found = list(db.execute("SELECT * FROM person ORDER BY existing"))
    db.close()
    return found


def test_a_file_is_loaded_and_again_and_updated(source: Path) -> None:
    people = [(existing(place), one.attributes) for place, one in enumerate(residents(300))]
    people_csv(source, people)
    done = load(source)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "sector     C",
        "lines      300",
        "new        300",
        "unchanged  0",
        "changed    0",
        "rejected   none",
    ]
    assert (source.parent / "C.sqlite").stat().st_mode & 0o777 == 0o600
    again = load(source, "--json").json
    assert (again["new"], again["same"], again["changed"]) == (0, 300, 0)
    moved = people[1][1].__class__("山田 桜", "よそ市2-3", "1980-02-03", "女")
    people_csv(source, [(people[1][0], moved), *people[2:]])
    done = load(source)
    assert done.code == 0
    assert "changed    1, left as they are; --update takes them" in done.out
    assert (people[1][0], "山田 桜") not in [row[:2] for row in stored(source)]
    done = load(source, "--update")
    assert "changed    1, corrected" in done.out
    assert (people[1][0], "山田 桜", "よそ市2-3", "1980-02-03", "女") in stored(source)
    assert len(stored(source)) == 300, "who is no longer in the file stays"


def test_dates_and_sexes_as_other_systems_write_them(source: Path) -> None:
    source.write_text(
        HEADER
        + "1,山田 太郎,桜台市1-2,昭和45年1月31日,M\n"
        + "2,山田 桜,桜台市1-2,S45.1.31,Ｆ\n"
        + '3,山田 桜,"桜台市1-2, 101号",1970/1/31,2\r\n'
        + "4,山田 太郎,桜台市1-2,１９７０年１月３１日,1\n"
        + "5,山田 太郎,桜台市1-2,1970-01-31,男\n",
        encoding="utf-8",
    )
    done = load(source)
    assert done.code == 0
    told = "read as    1970-01-31 and 男, 女 what was written otherwise: 4 × birth_date, 4 × sex"
    assert told in done.out.splitlines()
    assert [row[3:] for row in stored(source)] == [("1970-01-31", sex) for sex in "男女女男男"]
    assert load(source, "--json").json["same"] == 5


def test_bad_lines_are_listed_and_the_others_loaded(source: Path) -> None:
    bad = [
        (
            "=1+1,山田,桜台市,1970-01-31,男\n",
            "existing must be letters and digits, in between also . / - _; at most 64",
        ),
        ("2, ,桜台市,1970-01-31,男\n", "name must have 1 to 200 characters"),
        ("3,山田,桜台市,昭和65年1月1日,男\n", "birth_date lies outside the era that it names"),
        ("3,山田,桜台市,2999-01-01,男\n", "birth_date lies in the future"),
        ("4,山田,桜台市,1970-01-31,x\n", "sex must be one of 男, 女, M, F, 1, 2"),
        ("5,山田,桜台市,1970-01-31\n", "must have 5 fields, has 4"),
        ('6,"山田,桜台市,1970-01-31,男\n', "not CSV: an open quote, text after a closing quote, or a stray carriage"),
        ("7," + "山" * 2000 + ",桜台市,1970-01-31,男\n", "longer than 4096 bytes"),
        ("\n", "must have 5 fields, has 0"),
        ("9,山田,桜台市,1970-01-31,男\n", "the existing number stands in several lines; none of them was taken"),
        ("9,山田,桜台市,1970-01-31,男\n", "the existing number stands in several lines; none of them was taken"),
    ]
    source.write_text(HEADER + GOOD + "".join(line for line, _ in bad), encoding="utf-8")
    done = load(source)
    rejects = source.with_name("people.csv.rejects.csv")
    assert (done.code, done.err) == (1, "")
    assert f"rejected   {len(bad)} lines, in {rejects}" in done.out
    assert [row[0] for row in stored(source)] == ["135792468"]
    listed = rejects.read_text("utf-8").splitlines()
    assert listed[0] == "line,reason"
    for number, ((_, reason), line) in enumerate(zip(bad, listed[1:], strict=True), 3):
        assert line.startswith(f"{number},")
        assert reason in line
    assert "山田" not in rejects.read_text("utf-8")
    assert rejects.stat().st_mode & 0o777 == 0o600


def test_with_strict_nothing_is_loaded(source: Path) -> None:
    source.write_text(HEADER + GOOD + "2,山田,桜台市,?,男\n", encoding="utf-8")
    done = load(source, "--strict", "--rejects", source.with_name("bad.csv"))
    assert done.code == 1
    assert "people.csv: 1 lines cannot be taken; with --strict, nothing was stored" in done.err
    assert stored(source) == []
    assert source.with_name("bad.csv").read_text().startswith('line,reason\n3,"birth_date must be')


def test_bad_lines_that_cannot_be_listed_are_not_passed_over(source: Path) -> None:
    source.write_text(HEADER + GOOD + "2,山田,桜台市,?,男\n", encoding="utf-8")
    source.with_name("people.csv.rejects.csv").write_text("of an earlier run")
    done = load(source)
    assert done.code == 1
    assert "people.csv.rejects.csv: exists already; nothing is overwritten" in done.err
    assert stored(source) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "people.csv: is empty"),
        ("number,name\n" + GOOD, "line 1: the header must be existing,name,address,birth_date,sex"),
        ("\ufeff" + HEADER + GOOD, ""),
    ],
)
def test_the_header(source: Path, text: str, message: str) -> None:
    source.write_text(text, encoding="utf-8")
    done = load(source)
    assert (done.code == 1) == bool(message)
    assert message in done.err


def test_another_encoding_is_named_or_refused(source: Path) -> None:
    source.write_text(HEADER + GOOD, encoding="cp932")
    done = load(source)
    assert done.code == 1
    assert "2,not UTF-8" in source.with_name("people.csv.rejects.csv").read_text()
    well("sector", "load", source, "--file", source.parent / "C.sqlite", "--encoding", "cp932")
    assert stored(source) == [("135792468", "山田 太郎", "桜台市1-2", "1970-01-31", "男")]


def test_a_new_sector_file_needs_a_sector(source: Path) -> None:
    source.write_text(HEADER + GOOD, encoding="utf-8")
    done = run("sector", "load", source, "--file", source.parent / "new.sqlite")
    assert done.code == 1
    assert "there is no sector file\nhint: `appliance sector load --sector LETTER` makes one" in done.err
    assert "the sector must be a letter such as C" in load(source, "--sector", "c").err
    assert load(source).code == 0
    assert "is the file of sector C, not of D" in load(source, "--sector", "D").err


def test_no_message_has_anything_of_a_person_in_it(source: Path) -> None:
    rng = random.Random(3)
    for _ in range(40):
        place = rng.randrange(len(GOOD))
        source.write_text(HEADER + GOOD[:place] + rng.choice('",\t\0x\n') + GOOD[place:], encoding="utf-8")
        done = load(source)
        assert done.code in (0, 1), done
        rejects = source.with_name("people.csv.rejects.csv")
        said = done.out + done.err + (rejects.read_text("utf-8") if rejects.exists() else "")
        assert not any(text in said for text in ("135792468", "山田", "桜台", "Traceback"))
        rejects.unlink(missing_ok=True)


def test_memory_does_not_grow_with_the_file(source: Path) -> None:
    """Rows go into the sector file as they are read."""
    import tracemalloc

    from appliance.linking import loading

    source.write_text(
        HEADER + "".join(f"{n},山田 太郎,桜台市1-2,1970-01-31,男\n" for n in range(20_000)), encoding="utf-8"
    )
    with Sector("C", source.with_name("C.sqlite")) as sector:
        tracemalloc.start()
        done = loading.load(sector, source, "utf-8", source.with_name("r"), strict=False, update=False)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert done.new == 20_000
    assert peak < 1_000_000


def test_the_bar_guesses_how_many_lines_there_are(source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From what was read, which is more than what is done."""
    from contextlib import contextmanager

    from appliance.linking import files

    shown: list[tuple[int, int]] = []

    @contextmanager
    def bar(title: str, unit: str) -> Iterator[Callable[[int, int], None]]:
        yield lambda done, whole: shown.append((done, whole))

    monkeypatch.setattr(files, "bar", bar)
    source.write_text("a line\n" * 50_000, encoding="ascii")
    with files.opened(source) as file, files.lines_shown("x", file) as show:
        for number, _ in enumerate(file, 1):
            show(number // 2, number)
    assert [done for done, _ in shown] == list(range(1000, 25_001, 1000))
    assert all(abs(whole - 50_000) < 5_000 for _, whole in shown[1:])

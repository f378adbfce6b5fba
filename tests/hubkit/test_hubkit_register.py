"""The resident register's file: what is read, and what is refused in which line."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.hubkit import register
from appliance.hubkit.register import AttributesRefused, FourAttributes, RegisterError, Resident

HEADER = "resident_code,name,address,birth_date,sex\n"
LINE = "01234567890,山田 太郎,東京都千代田区一番町1番地,1970-01-31,男\n"


def parsed(text: str | bytes) -> list[Resident]:
    return list(register.parse(io.BytesIO(text if isinstance(text, bytes) else text.encode())))


def test_the_schemes_own_sample_code_is_read() -> None:
    (resident,) = parsed(HEADER + LINE)
    assert resident.code == "01234567890"
    assert resident.attributes == FourAttributes("山田 太郎", "東京都千代田区一番町1番地", "1970-01-31", "男")


def test_nothing_personal_in_repr() -> None:
    (resident,) = parsed(HEADER + LINE)
    assert not any(text in repr(resident) for text in ("01234567890", "山田", "千代田", "1970", "男"))


@pytest.mark.parametrize("text", [HEADER + LINE.rstrip("\n"), (HEADER + LINE).replace("\n", "\r\n"), HEADER + LINE])
def test_line_ends(text: str) -> None:
    assert len(parsed(text)) == 1


@pytest.mark.parametrize(
    ("text", "line", "rule"),
    [
        ("", 1, "the file is empty"),
        ("code,name,address,birth_date,sex\n", 1, "the header must be resident_code,name,address,birth_date,sex"),
        ("\ufeff" + HEADER + LINE, 1, "begins with a byte order mark"),
        (HEADER + LINE + "0123456789,A,B,1970-01-31,男\n", 3, "resident_code needs 11 characters, has 10"),
        (HEADER + "0123456789X,A,B,1970-01-31,男\n", 2, "resident_code has a character outside the alphabet"),
        (HEADER + "０1234567890,A,B,1970-01-31,男\n", 2, "resident_code has a character outside the alphabet"),
        (HEADER + LINE + "\n" + LINE, 3, "must have 5 fields, has 0"),
        (HEADER + LINE.rstrip() + ",\n", 2, "must have 5 fields, has 6"),
        (HEADER + "01234567890, ,B,1970-01-31,男\n", 2, "name must have 1 to 200 characters"),
        (HEADER + f"01234567890,A,{'B' * 201},1970-01-31,男\n", 2, "address must have 1 to 200 characters"),
        (HEADER + "01234567890,A\tA,B,1970-01-31,男\n", 2, "name contains a control character"),
        (HEADER + "01234567890,A,B,1970-02-30,男\n", 2, "birth_date must be a date such as 1970-01-31"),
        (HEADER + "01234567890,A,B,19700131,男\n", 2, "birth_date must be a date such as 1970-01-31"),
        (HEADER + "01234567890,A,B,1970-01-31,M\n", 2, "sex must be one of 男, 女"),
        (HEADER + '01234567890,"A,B,1970-01-31,男\n' + LINE, 2, "not CSV: an open quote"),
        (HEADER + '01234567890,"A"x,B,1970-01-31,男\n', 2, "not CSV: an open quote, text after a closing quote"),
        (HEADER + "A" * 5000 + "\n", 2, "longer than 4096 bytes"),
    ],
)
def test_a_bad_line_is_named_by_number_and_rule(text: str, line: int, rule: str) -> None:
    with pytest.raises(RegisterError) as caught:
        parsed(text)
    assert caught.value.line == line
    assert f"register, line {line}: {rule}" in caught.value.message


def test_another_encoding_is_refused_with_a_way_out() -> None:
    with pytest.raises(RegisterError, match=r"line 2: not UTF-8\n  → convert the file, for example with iconv"):
        parsed(HEADER.encode() + LINE.encode("cp932"))


def test_errors_do_not_tell_what_stood_there() -> None:
    with pytest.raises(RegisterError) as caught:
        parsed(HEADER + LINE.replace("男", "不明"))
    assert not any(text in str(caught.value) for text in ("01234567890", "山田", "不明"))


texts = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), include_characters=' \u3000,"'), min_size=1, max_size=40
).filter(str.strip)
residents = st.builds(
    Resident,
    st.from_regex(r"[0-9]{11}", fullmatch=True),
    st.builds(FourAttributes, texts, texts, st.dates().map(str), st.sampled_from(register.SEXES)),
)


@given(st.lists(residents, max_size=5))
def test_what_is_written_is_read_back(tmp_path_factory: pytest.TempPathFactory, people: list[Resident]) -> None:
    path = tmp_path_factory.mktemp("r") / "register.csv"
    assert register.write(path, people) == len(people)
    assert list(register.read(path)) == people
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_register_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    path.write_text("precious")
    with pytest.raises(FileExistsError):
        register.write(path, [])
    assert path.read_text() == "precious"


def test_reading_takes_constant_memory(tmp_path: Path) -> None:
    path = tmp_path / "register.csv"
    path.write_text(HEADER + LINE * 20_000, encoding="utf-8")
    tracemalloc.start()
    assert sum(1 for _ in register.read(path)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300_000


def test_attributes_made_in_code_keep_the_same_rules() -> None:
    with pytest.raises(AttributesRefused, match="sex must be one of 男, 女"):
        FourAttributes("A", "B", "1970-01-31", "male")

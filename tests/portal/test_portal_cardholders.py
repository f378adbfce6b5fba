"""The file of card holders: made whole, read strictly, replaced under the portal, and closed to everybody else."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest
from cardkit import build, number
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from signinkit import NOW

from appliance.cli import run
from appliance.portal.signin.cardid import CardId
from appliance.portal.signin.holders import Holder, Holders, write_holders
from appliance.portal.signin.reasons import CardRefused, Reason, SignInUnusable

ISSUER = "ab" * 32
HEAD = "serial,common_number,name\n"
ROWS = [(CardId(ISSUER, f"{place:x}"), Holder(number(place), f"山田　{place}")) for place in range(1, 6)]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write_holders(tmp_path / "holders.sqlite", ROWS)
    return tmp_path / "holders.sqlite"


def test_each_card_has_its_holder(path: Path) -> None:
    holders = Holders(path)
    assert [holders.of(card) for card, _ in ROWS] == [holder for _, holder in ROWS]
    holders.close()


@pytest.mark.parametrize(
    "card", [CardId(ISSUER, "99"), CardId("cd" * 32, "1"), CardId(ISSUER, "01"), CardId(ISSUER, "' OR 1")]
)
def test_other_cards_have_none(path: Path, card: CardId) -> None:
    with pytest.raises(CardRefused) as refused:
        Holders(path).of(card)
    assert refused.value.reason is Reason.UNKNOWN_HOLDER


def test_a_new_file_is_taken_in_at_once(path: Path) -> None:
    holders = Holders(path)
    write_holders(path, [(ROWS[0][0], Holder(number(77), "<script>alert(1)</script>"))])
    assert holders.of(ROWS[0][0]) == Holder(number(77), "<script>alert(1)</script>")
    with pytest.raises(CardRefused):
        holders.of(ROWS[1][0])


def test_the_old_file_can_be_read_until_the_new_one_has_its_place(path: Path) -> None:
    holders = Holders(path)

    def rows():  # type: ignore[no-untyped-def]
        for row in ROWS:
            assert holders.of(row[0]) == row[1]
            yield row

    assert write_holders(path, rows()) == len(ROWS)
    assert holders.of(ROWS[0][0]) == ROWS[0][1]


def test_only_owner_and_group_can_read_it(path: Path) -> None:
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_holders(path, ROWS, mode=0o644)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o644)
    with pytest.raises(SignInUnusable, match="everybody may read or write it"):
        Holders(path)


def test_a_file_that_goes_bad_lets_nobody_in(path: Path) -> None:
    holders = Holders(path)
    path.chmod(0o644)
    with pytest.raises(SignInUnusable, match="everybody may read"):
        holders.of(ROWS[0][0])
    path.chmod(0o600)
    assert holders.of(ROWS[0][0]) == ROWS[0][1]
    path.unlink()
    with pytest.raises(SignInUnusable, match="No such file"):
        holders.of(ROWS[0][0])


@pytest.mark.parametrize("data", [b"", b"not SQLite" * 300, b"SQLite format 3\0" + b"\0" * 4_000])
def test_what_is_no_file_of_holders_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(SignInUnusable, match="not a file of card holders") as refused:
        Holders(path)
    assert str(path) in refused.value.message


def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE holder (issuer TEXT, serial TEXT, common TEXT, name TEXT)")
    path.chmod(0o600)
    with pytest.raises(SignInUnusable, match="made by something else"):
        Holders(path)


@pytest.mark.parametrize(("column", "value"), [("common", "12345"), ("common", number(1)[:-1] + "x"), ("name", "a\nb")])
def test_a_row_that_cannot_be_lets_nobody_in_and_is_not_repeated(path: Path, column: str, value: str) -> None:
    with closing(sqlite3.connect(path)) as written:
        written.execute(f"UPDATE holder SET {column} = ?", (value,))
        written.commit()
    with pytest.raises(SignInUnusable, match="a row in it is not of a person") as refused:
        Holders(path).of(ROWS[0][0])
    assert value not in str(refused.value)


def test_impossible_rows_are_not_written_and_the_old_file_stays(path: Path) -> None:
    before = path.read_bytes()
    for rows, words in (
        ([*ROWS, ROWS[0]], "the card of row 6 is there twice"),
        ([(ROWS[0][0], Holder("123456789012", "name"))], "row 1 is not of a person"),
        ([(ROWS[0][0], Holder(number(1), ""))], "row 1 is not of a person"),
    ):
        with pytest.raises(SignInUnusable, match=words) as refused:
            write_holders(path, rows)
        assert not any(holder.common in str(refused.value) for _, holder in rows)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_portal_cannot_write_it(path: Path) -> None:
    holders = Holders(path)
    holders.of(ROWS[0][0])
    assert holders._connection is not None
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        holders._connection.execute("DELETE FROM holder")


# --- made from the register's list -----------------------------------------------------------------------


def made(folder: Path, text: str) -> tuple[int, Path]:
    """``appliance card holders``: its exit code, and the file that it was to make."""
    (folder / "cards.csv").write_text(text, encoding="utf-8")
    build(folder / "world", NOW)
    words = ["card", "holders", folder / "cards.csv", "--authority", folder / "world/authority.pem"]
    return run([str(word) for word in (*words, "--out", folder / "out.sqlite")]), folder / "out.sqlite"


def test_the_registers_list_becomes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = "".join(f"{place:x},{number(place)},山田　{place}\n" for place in range(1, 300))
    code, out = made(tmp_path, "serial,common_number,name\n" + text)
    assert (code, capsys.readouterr().out) == (0, f"299 cards in {out}\n")
    authority = x509.load_pem_x509_certificate((tmp_path / "world/authority.pem").read_bytes())
    key = authority.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert Holders(out).of(CardId.of(key, 0x12B)) == Holder(number(299), "山田　299")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("serial,number,name\n", "line 1: the header must be serial,common_number,name"),
        (f"{HEAD}1,{number(1)}\n", "line 2: must have 3 fields, has 2"),
        (f"{HEAD}1A,{number(1)},山田\n", "line 2: serial: not a certificate's serial number in hex, lower case"),
        (f"{HEAD}0,{number(1)},山田\n", "line 2: serial: not"),
        (f"{HEAD}{'f' * 41},{number(1)},山田\n", "line 2: serial: not"),
        (f"{HEAD}1,{number(1)},山田\n2,123456789012,山田\n", "line 3: common_number or name: not of a person"),
        (f"{HEAD}1,{number(1)},山田\n01,{number(2)},鈴木\n", "the card of row 2 is there twice"),
        (f'{HEAD}1,{number(1)},"山田\n', "line 2: not CSV"),
    ],
)
def test_a_list_that_breaks_a_rule_makes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    code, out = made(tmp_path, text)
    said = capsys.readouterr().err
    assert code != 0 and words in said
    assert "山田" not in said and number(1) not in said
    assert not out.exists()


def test_nothing_of_a_person_shows_in_a_repr() -> None:
    card, holder = ROWS[0]
    assert holder.common not in repr(holder) and holder.name not in repr(holder)
    assert card.serial not in repr(card).removeprefix(f"CardId(issuer='{ISSUER}'")

"""The two files between sector and authority: what is written is read, and whatever is changed is noticed."""

from __future__ import annotations

import json
import os
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linkingkit import a_request

from appliance.hubkit import linking
from appliance.hubkit.linking import Linked, Linking, LinkRequest, Unmatched
from appliance.linking import answer, files, request, sealed
from appliance.linking.errors import FileRefused, FileUnusable, OutputExists
from appliance.linking.files import NewFile
from appliance.matching.attributes import FourAttributes
from appliance.matching.decision import Outcome

PEOPLE = [LinkRequest("135792468", FourAttributes("山田　太郎", "桜台市1-2", "1970-01-31", "男"))]
REQUEST = [
    {
        "format": "kagimori/link-request/v1",
        "sector": "C",
        "reference": "r-1",
        "created": "2026-04-01T09:00:00Z",
        "count": 1,
    },
    {"existing": "135792468", "name": "山田　太郎", "address": "桜台市1-2", "birth_date": "1970-01-31", "sex": "男"},
]
ANSWER = [
    {
        "format": "kagimori/link-answer/v1",
        "sector": "C",
        "reference": "r-1",
        "request": "0" * 64,
        "created": "2026-04-01T09:00:00Z",
        "generation": "sspin.C.1",
        "linked": 1,
        "unmatched": 1,
    },
    {"existing": "135792468", "number": "369PQRST246"},
    {"existing": "246813579", "outcome": "not_found", "reasons": ["no_resident"]},
]


def lines(parts: list[Any]) -> bytes:
    """A file with these lines, and a last one that vouches for them."""
    text = b"".join(json.dumps(part, ensure_ascii=False, separators=(",", ":")).encode() + b"\n" for part in parts)
    return text + b'{"sha256":"%s"}\n' % sha256(text).hexdigest().encode()


def changed(parts: list[dict[str, Any]], line: int, **fields: Any) -> list[dict[str, Any]]:
    """The same with other fields in one line; None takes a field away."""
    one = {key: value for key, value in {**parts[line], **fields}.items() if value != "gone"}
    return [one if place == line else part for place, part in enumerate(parts)]


def read_request(data: bytes, path: Path) -> request.Request:
    path.write_bytes(data)
    return request.read(path)


def read_answer(data: bytes, path: Path) -> answer.Answer:
    path.write_bytes(data)
    return answer.read(path)


def test_a_request_is_what_the_page_says(tmp_path: Path) -> None:
    digest = a_request(tmp_path / "r", PEOPLE)
    data = (tmp_path / "r").read_bytes()
    assert data == lines(REQUEST)
    assert digest == sha256(data).hexdigest()
    assert (tmp_path / "r").stat().st_mode & 0o777 == 0o600
    found = request.read(tmp_path / "r")
    assert (list(found.people), found.sha256, found.header.count) == (PEOPLE, digest, 1)
    assert not any(text in repr(found) for text in ("山田", "135792468", "桜台"))


def test_an_answer_is_what_the_page_says(tmp_path: Path) -> None:
    said = Linking(
        "sspin.C.1",
        (Linked("135792468", "369PQRST246"),),
        (Unmatched("246813579", Outcome.NOT_FOUND, (linking.NO_RESIDENT,)),),
    )
    asked = request.Request(request.Header(**{**REQUEST[0], "count": 2}), "0" * 64, ())  # type: ignore[arg-type]
    with NewFile(tmp_path / "a") as file:
        digest = answer.write(file, asked, said, "2026-04-01T09:00:00Z")
        assert not (tmp_path / "a").exists()
        file.publish()
    assert (tmp_path / "a").read_bytes() == lines(ANSWER)
    found = answer.read(tmp_path / "a")
    assert (found.linking, found.sha256) == (said, digest)
    assert not any(text in repr(found) for text in ("135792468", "369PQRST246"))


@pytest.mark.parametrize(
    ("parts", "line", "rule"),
    [
        (changed(REQUEST, 0, format="kagimori/link-request/v2"), 1, "is not what the format has there"),
        (changed(REQUEST, 0, format="gone"), 1, "is not what the format has there"),
        (changed(REQUEST, 0, more="x"), 1, "is not what the format has there"),
        (changed(REQUEST, 0, sector="c"), 1, "is not what the format has there"),
        (changed(REQUEST, 0, reference="two words"), 1, "is not what the format has there"),
        (changed(REQUEST, 0, created="2026-04-01"), 1, "is not what the format has there"),
        (changed(REQUEST, 0, count=-1), 1, "is not what the format has there"),
        (changed(REQUEST, 0, count=1_000_001), 1, "is not what the format has there"),
        (changed(REQUEST, 0, count=1.0), 1, "is not what the format has there"),
        (changed(REQUEST, 0, count=0), 2, "more people than the 0 of the first line"),
        (changed(REQUEST, 0, count=2), 3, "1 people, but the first line says 2"),
        (changed(REQUEST, 1, more="x"), 2, "is not what the format has there"),
        (changed(REQUEST, 1, sex="gone"), 2, "is not what the format has there"),
        (changed(REQUEST, 1, existing="=1+1"), 2, "existing must be an existing number"),
        (changed(REQUEST, 1, existing="1 2"), 2, "existing must be an existing number"),
        (changed(REQUEST, 1, existing="1" * 65), 2, "existing must be an existing number"),
        (changed(REQUEST, 1, birth_date="昭和45年1月31日"), 2, "birth_date must be a date"),
        (changed(REQUEST, 1, name="山田\n太郎"), 2, "name contains a control character"),
        (changed(REQUEST, 1, name="山" * 2000), 2, "longer than 4096 bytes"),
        (REQUEST[::-1], 1, "is not what the format has there"),
        ([], 1, "ends too early"),
    ],
)
def test_a_request_that_breaks_a_rule(parts: list[Any], line: int, rule: str, tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as caught:
        read_request(lines(parts), tmp_path / "r")
    assert f"/r, line {line}: {rule}" in caught.value.message
    assert caught.value.message.endswith("; nothing of the file was taken")
    assert not any(text in str(caught.value) for text in ("山田", "135792468", "桜台"))


@pytest.mark.parametrize(
    ("parts", "line", "rule"),
    [
        (changed(ANSWER, 0, format="kagimori/link-request/v1"), 1, "is not what the format has there"),
        (changed(ANSWER, 0, request="0" * 63), 1, "is not what the format has there"),
        (changed(ANSWER, 0, linked=0), 2, "not the 0 numbers and 1 others that the first line says"),
        (changed(ANSWER, 0, linked=2), 4, "not the 2 numbers and 1 others that the first line says"),
        (changed(ANSWER, 0, unmatched=0), 3, "not the 1 numbers and 0 others"),
        (changed(ANSWER, 0, unmatched=2), 4, "not the 1 numbers and 2 others"),
        (changed(ANSWER, 0, generation=None), 4, "numbers need the generation that made them"),
        (changed(ANSWER, 0, generation="sspin.E.1"), 4, "numbers of sspin.E.1 are not those of sector C"),
        (changed(ANSWER, 0, generation="sspin.C"), 1, "is not what the format has there"),
        (changed(ANSWER, 1, number="369 PQR"), 2, "is not what the format has there"),
        (changed(ANSWER, 1, number="gone"), 2, "needs either a number, or outcome and reasons"),
        (changed(ANSWER, 1, outcome="not_found"), 2, "needs either a number, or outcome and reasons"),
        (changed(ANSWER, 1, existing=""), 2, "existing is no existing number"),
        (changed(ANSWER, 2, outcome="matched"), 3, "is not what the format has there"),
        (changed(ANSWER, 2, reasons=[]), 3, "needs reasons of the format's list"),
        (changed(ANSWER, 2, reasons=["address_differs"]), 3, "needs reasons of the format's list"),
        (changed(ANSWER, 2, reasons="gone"), 3, "needs either a number, or outcome and reasons"),
        (changed(ANSWER, 2, more=1), 3, "is not what the format has there"),
    ],
)
def test_an_answer_that_breaks_a_rule(parts: list[Any], line: int, rule: str, tmp_path: Path) -> None:
    with pytest.raises(FileRefused) as caught:
        read_answer(lines(parts), tmp_path / "a")
    assert f"/a, line {line}: {rule}" in caught.value.message
    assert not any(text in str(caught.value) for text in ("369PQRST246", "135792468"))


def test_there_is_one_way_to_write_a_line(tmp_path: Path) -> None:
    data = lines(ANSWER)
    for before, after in (
        (b'"existing":"135792468",', b'"existing":"135792468", '),
        (b'"existing":"135792468",', b'"existing":"1","existing":"135792468",'),
        (b'"number":"369PQRST246"', b'"number":"369PQRST246","reasons":null'),
        (b'"number":"369PQRST246"', b'"number":"\\u0033' + b'69PQRST246"'),
    ):
        text = data.replace(before, after).rpartition(b'{"sha256"')[0]
        again = text + b'{"sha256":"%s"}\n' % sha256(text).hexdigest().encode()
        with pytest.raises(FileRefused, match="line 2: is not written as the format has it"):
            read_answer(again, tmp_path / "a")


whole = lines(ANSWER)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_change_is_noticed(tmp_path: Path, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(whole) - 1))
    how = data.draw(st.sampled_from(["cut", "byte", "line", "twice", "more"]))
    all_lines = whole.splitlines(keepends=True)
    at = place % len(all_lines)
    made = {
        "cut": whole[:place],
        "byte": whole[:place] + bytes([whole[place] ^ data.draw(st.integers(1, 255))]) + whole[place + 1 :],
        "line": b"".join(all_lines[:at] + all_lines[at + 1 :]),
        "twice": b"".join([*all_lines[:at], all_lines[at], *all_lines[at:]]),
        "more": whole + all_lines[at],
    }[how]
    with pytest.raises(FileRefused):
        read_answer(made, tmp_path / "a")


def test_a_file_that_is_cut_off_says_so(tmp_path: Path) -> None:
    for data in (whole[:-1], whole[:-5], whole.rpartition(b'{"sha256"')[0], b""):
        with pytest.raises(FileRefused, match="does not vouch for the lines before it: cut off, or altered") as caught:
            read_answer(data, tmp_path / "a")
        assert caught.value.hint == "ask for it once more"


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileUnusable, match="No such file or directory") as caught:
        request.read(tmp_path / "nothing")
    assert caught.value.exit_code == 3
    with pytest.raises(FileUnusable, match="Is a directory|not a regular file"):
        request.read(tmp_path)
    with pytest.raises(FileUnusable, match="/dev/null: not a regular file"):
        request.read(Path("/dev/null"))


class TestNewFile:
    def test_nothing_is_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / "there").write_text("precious")
        (tmp_path / "link").symlink_to(tmp_path / "nowhere")
        for name in ("there", "link"):
            with pytest.raises(OutputExists, match="exists already; nothing is overwritten"):
                NewFile(tmp_path / name)
        with NewFile(tmp_path / "late") as file:
            (tmp_path / "late").write_text("precious")
            file.finish()
            with pytest.raises(OutputExists):
                file.publish()
        assert (tmp_path / "late").read_text() == "precious"
        assert sorted(path.name for path in tmp_path.iterdir()) == ["late", "link", "there"]

    def test_what_is_not_published_is_gone(self, tmp_path: Path) -> None:
        with pytest.raises(KeyboardInterrupt), NewFile(tmp_path / "new") as file:
            file.write(b"half")
            file.finish()
            raise KeyboardInterrupt
        assert list(tmp_path.iterdir()) == []

    def test_a_folder_that_is_not_there_and_a_full_disk_are_told(self, tmp_path: Path) -> None:
        with pytest.raises(FileUnusable, match="No such file or directory"):
            NewFile(tmp_path / "no" / "new")
        with NewFile(tmp_path / "new") as file, pytest.raises(FileUnusable, match="No space left on device"):
            with Path("/dev/full").open("wb") as full:
                os.dup2(full.fileno(), file._file.fileno())
            file.write(b"x")
            file.finish()
        assert list(tmp_path.iterdir()) == []


def test_a_table_is_for_its_owner_alone(tmp_path: Path) -> None:
    assert files.write_csv(tmp_path / "t.csv", ("a", "b"), [("1", "桜,台"), ("2", "")]) == 2
    assert (tmp_path / "t.csv").read_text("utf-8") == 'a,b\n1,"桜,台"\n2,\n'
    assert (tmp_path / "t.csv").stat().st_mode & 0o777 == 0o600


def test_a_reference_is_new_each_time_and_fits() -> None:
    made = {request.new_reference("C", "2026-04-01T09:00:00Z") for _ in range(100)}
    assert len(made) == 100
    assert all(request.checked_reference(one).startswith("link-C-20260401-") for one in made)
    with pytest.raises(FileRefused, match="the reference must be 1 to 100 letters, digits and"):
        request.checked_reference("山田")
    assert sealed.EXISTING.fullmatch("第12号-3/a") is not None

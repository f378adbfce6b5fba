"""The table of legal bases: strict reading, whom it allows what, and the days it begins and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from exchangekit import NOW, question, table, toml
from hypothesis import given
from hypothesis import strategies as st

from appliance.hubkit.exchange import Question
from appliance.hubkit.exchangeerrors import BasisNotYet, BasisOver, NoBasis, NotApproved, TooMany, WrongGeneration
from appliance.hubkit.legalbasis import LegalBasis, LegalBasisError, duration, load, parse


def judged(law: LegalBasis, asked: Question, now: datetime = NOW, before: int = 0) -> str:
    return law.judge(asked, now, lambda _: before).id


class TestReading:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"asker": "Z"}, r"line 5: asker: Z is no sector; there are A, B, C, D, E, F"),
            ({"holder": "Z"}, r"line 6: holder: Z is no sector"),
            ({"holder": "B"}, r"line 6: holder: a sector needs no hub to ask itself"),
            ({"asker": "b"}, r"line 5: asker: Expected `str` matching regex"),
            ({"item": "Income Tax"}, r"line 7: item: Expected `str` matching regex"),
            ({"law": ""}, r"line 9: law: Expected `str` of length >= 1"),
            ({"law": None}, r"line 3: Object missing required field `law`"),
            ({"valid_from": "2026-13-01"}, r"not TOML"),
            ({"valid_from": "2026-04-01T00:00:00Z"}, r"line 10: valid_from: "),
            ({"valid_until": "2026-03-31"}, r"line 11: valid_until: is before valid_from"),
            ({"valid_until": '"2027-03-31"'}, r"line 11: valid_until: Expected `date`, got `str`"),
            ({"answer_within": "10"}, r'line 12: answer_within: must be a time such as "30 s"'),
            ({"answer_within": "0 d"}, r"line 12: answer_within: must be a time"),
            ({"answer_within": "367 d"}, r"line 12: answer_within: must be a time"),
            ({"most_people": 0}, r"line 13: most_people: Expected `int` >= 1"),
            ({"most_people": "many"}, r"line 13: most_people: Expected `int`, got `str`"),
            ({"anybody": 1}, r"line 14: Object contains unknown field `anybody`"),
        ],
    )
    def test_what_it_refuses(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(LegalBasisError, match=f"^legal basis: {message}"):
            parse(toml(changes).encode())

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "Object missing required field `time_zone`"),
            ('time_zone = "UTC"\nbasis = []\n', "time_zone: Invalid enum value 'UTC'"),
            ('time_zone = "Asia/Tokyo"\nbasis = []\nrule = 1\n', "Object contains unknown field `rule`"),
            ('time_zone = "Asia/Tokyo"\nbasis = [{id = "x"}]\n', "basis 1: Object missing required field `asker`"),
            ('time_zone = "Asia/Tokyo"\n[[basis]\n', r"not TOML \(.* line 2"),
            ("\0", "not TOML"),
        ],
    )
    def test_files_that_are_no_table(self, text: str, message: str) -> None:
        with pytest.raises(LegalBasisError, match=message):
            parse(text.encode())

    def test_neither_utf8_nor_endless(self) -> None:
        with pytest.raises(LegalBasisError, match="not TOML"):
            parse(b"\xff\xfe")
        with pytest.raises(LegalBasisError, match="larger than 1048576 bytes"):
            parse(b"#" * 1_048_577)

    def test_the_line_of_the_second_one(self) -> None:
        with pytest.raises(LegalBasisError, match=r"line 16: id: benefit-income is there twice"):
            table({}, {"item": "health"})
        with pytest.raises(LegalBasisError, match=r"line 18: holder: Z is no sector"):
            table({}, {"id": "other", "holder": "Z"})

    @pytest.mark.parametrize(
        ("start", "end", "together"),
        [
            ("2026-04-01", "2027-03-31", True),
            ("2027-03-31", "2028-03-31", True),
            ("2027-04-01", "2028-03-31", False),
            ("2025-04-01", "2026-03-31", False),
            ("2025-04-01", "2026-04-01", True),
            ("2026-05-01", "2026-05-01", True),
        ],
    )
    def test_two_bases_for_the_same_thing_at_the_same_time(self, start: str, end: str, together: bool) -> None:
        for other in ({"id": "other"}, {"id": "a"}):
            changes = {**other, "valid_from": start, "valid_until": end}
            if together:
                with pytest.raises(LegalBasisError, match=r"line \d+: valid_from: .* which one would hold\?"):
                    table({}, changes)
            else:
                assert len(table({}, changes).bases) == 2
            assert len(table({}, {**changes, "purpose": "audit"}).bases) == 2, "another purpose is another thing"

    def test_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "legal-basis.toml"
        with pytest.raises(LegalBasisError, match=r"legal-basis\.toml: cannot be read \(No such file"):
            load(path)
        path.write_text(toml(), encoding="utf-8")
        assert load(path).bases == table().bases
        path.write_text(toml({"asker": "Q"}), encoding="utf-8")
        with pytest.raises(LegalBasisError, match=r"legal-basis\.toml: line 5: asker: Q is no sector"):
            load(path)
        assert load(path, ["Q", "E"]).sectors == {"Q", "E"}

    @given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
    def test_whatever_it_is_given(self, data: bytes) -> None:
        try:
            parse(data)
        except LegalBasisError as error:
            assert str(error).startswith("legal basis: ")

    @pytest.mark.parametrize(
        ("text", "length"),
        [
            ("30 s", timedelta(seconds=30)),
            ("15 min", timedelta(minutes=15)),
            ("8 h", timedelta(hours=8)),
            ("366 d", timedelta(days=366)),
        ],
    )
    def test_durations(self, text: str, length: timedelta) -> None:
        assert duration(text) == length

    @pytest.mark.parametrize("text", ["", "s", "1s", "01 s", "1.5 h", "-1 d", "1 w", "１ d", "1 d ", "999999 d"])
    def test_what_is_no_duration(self, text: str) -> None:
        with pytest.raises(ValueError, match="must be a time"):
            duration(text)


class TestJudging:
    def test_allowed(self) -> None:
        assert judged(table(), question("B-1")) == "benefit-income"

    @pytest.mark.parametrize(
        ("changes", "error", "message"),
        [
            ({"asker": "C", "generation": "sspin.C.1"}, NoBasis, "sector C may not ask sector E for 'income'"),
            ({"asker": "E", "holder": "B", "generation": "sspin.E.1"}, NoBasis, "sector E may not ask sector B"),
            ({"holder": "F"}, NoBasis, "sector B may not ask sector F for 'income'"),
            ({"item": "health"}, NoBasis, r"sector B may not ask sector E for 'health' \(benefit-check\)"),
            ({"purpose": "curiosity"}, NoBasis, r"sector B may not ask sector E for 'income' \(curiosity\)"),
            ({"generation": "sspin.A.1"}, WrongGeneration, r"sector B must ask with numbers of sspin\.B"),
            ({"generation": "sspin.B1.1"}, WrongGeneration, r"sector B must ask with numbers of sspin\.B"),
        ],
    )
    def test_what_no_basis_names_is_refused(
        self, changes: dict[str, str], error: type[NotApproved], message: str
    ) -> None:
        with pytest.raises(error, match=message):
            judged(table(), question("B-1", **changes))

    @pytest.mark.parametrize(
        ("now", "error"),
        [
            ("2026-03-31T14:59:59Z", BasisNotYet),  # 23:59:59 in Japan, the day before
            ("2026-03-31T15:00:00Z", None),
            ("2027-03-31T14:59:59Z", None),
            ("2027-03-31T15:00:00Z", BasisOver),
        ],
    )
    def test_both_days_belong_to_it_and_are_days_of_japan(self, now: str, error: type[NotApproved] | None) -> None:
        moment = datetime.fromisoformat(now)
        if error is None:
            assert judged(table(), question("B-1"), moment)
            return
        with pytest.raises(error, match=r"sector B may not ask .* (yet|any more): benefit-income (is|was) valid"):
            judged(table(), question("B-1"), moment)

    def test_between_two_periods_the_one_to_come_is_named(self) -> None:
        law = table({}, {"id": "next", "valid_from": "2028-04-01", "valid_until": "2029-03-31"})
        with pytest.raises(BasisNotYet, match="yet: next is valid from 2028-04-01"):
            judged(law, question("B-1"), datetime(2027, 7, 1, tzinfo=UTC))
        assert judged(law, question("B-1"), datetime(2028, 7, 1, tzinfo=UTC)) == "next"

    def test_how_many_in_a_question(self) -> None:
        law = table({"most_people": 3})
        numbers = [f"B-{n}" for n in range(4)]
        assert judged(law, question(*numbers[:3]))
        with pytest.raises(TooMany, match="4 people; benefit-income allows 3 in a question"):
            judged(law, question(*numbers))

    def test_how_many_in_a_day(self) -> None:
        law = table({"most_people_a_day": 3})
        assert judged(law, question("B-1"), before=2)
        with pytest.raises(TooMany, match="benefit-income allows 3 people a day; 2 were asked about today"):
            judged(law, question("B-1", "B-2"), before=2)

    @given(st.datetimes(datetime(2026, 3, 31, 15), datetime(2027, 3, 31, 14, 59), timezones=st.just(UTC)))
    def test_a_question_never_outlives_its_basis(self, now: datetime) -> None:
        basis = table().bases[0]
        until = basis.until(now)
        assert now < until <= min(now + timedelta(days=10), datetime(2027, 3, 31, 15, tzinfo=UTC))
        assert until in {now + timedelta(days=10), datetime(2027, 3, 31, 15, tzinfo=UTC)}

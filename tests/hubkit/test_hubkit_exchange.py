"""What can become of a question, from the one table; what a question may be; the commitment to whom it is about."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from exchangekit import question
from hypothesis import given
from hypothesis import strategies as st

from appliance.hubkit import exchange
from appliance.hubkit.exchange import (
    ENDED,
    MOVES,
    Answer,
    IllegalMove,
    Question,
    State,
    Ticket,
    commitment,
    next_state,
)
from appliance.hubkit.exchangeerrors import BadQuestion
from tests.world import PROJECT

KEY = bytes(32)
EVERYWHERE = [None, *State]


class TestMoves:
    @pytest.mark.parametrize("move", MOVES)
    @pytest.mark.parametrize("state", EVERYWHERE)
    def test_every_move_from_every_state(self, move: str, state: State | None) -> None:
        row = MOVES[move]
        if state not in row.sources:
            with pytest.raises(IllegalMove, match=f"{move}: the question is {state or 'not there'}"):
                next_state(move, state)
        else:
            assert next_state(move, state) is (row.target or state)

    def test_an_unknown_move(self) -> None:
        with pytest.raises(IllegalMove, match="reopen: no such move"):
            next_state("reopen", State.EXPIRED)

    def test_what_has_ended_stays_so_and_all_else_can_end(self) -> None:
        for move, row in MOVES.items():
            assert move == "repeat" or not (row.sources & ENDED)
        assert MOVES["expire"].sources == set(State) - ENDED

    def test_every_state_is_reached(self) -> None:
        reached: set[State] = set()
        todo: list[State | None] = [None]
        while todo:
            state = todo.pop()
            found = {row.target or state for row in MOVES.values() if state in row.sources} - reached
            reached |= {one for one in found if one is not None}
            todo += found
        assert reached == set(State)

    def test_the_docstring_and_the_guide_show_this_table(self) -> None:
        rows = {
            move: [_in_words(row.sources), row.target.value if row.target else "as before"]
            for move, row in MOVES.items()
        }
        told = [re.split(" {2,}", line.strip()) for line in (exchange.__doc__ or "").splitlines()]
        assert {row[0]: row[1:3] for row in told if row[0] in MOVES} == rows
        guide = (PROJECT / "docs" / "hub-guide.md").read_text(encoding="utf-8").split("### The life of a question")[1]
        cells = [[cell.strip().replace("`", "") for cell in line.split("|")] for line in guide.splitlines()]
        assert {row[1]: row[2:4] for row in cells if len(row) > 3 and row[1] in MOVES} == rows


def _in_words(sources: frozenset[State | None]) -> str:
    if sources == frozenset(State):
        return "any"
    if sources == frozenset(State) - ENDED:
        return "any that has not ended"
    return ", ".join(state for state in State if state in sources) or "-"


class TestQuestion:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"asker": "b"}, "asker: does not have the form"),
            ({"asker": "B\n"}, "asker: does not have the form"),
            ({"holder": ""}, "holder: does not have the form"),
            ({"item": "山田太郎"}, "item: does not have the form"),
            ({"purpose": "Benefit"}, "purpose: does not have the form"),
            ({"reference": ""}, "reference: does not have the form"),
            ({"reference": "山田太郎の件"}, "reference: does not have the form"),
            ({"reference": "a" * 65}, "reference: does not have the form"),
            ({"reference": "case 1"}, "reference: does not have the form"),
            ({"generation": "sspin.B"}, "generation: does not have the form"),
            ({"generation": "resident"}, "generation: does not have the form"),
            ({"key": b"short"}, "a key of 32 bytes"),
        ],
    )
    def test_fields_that_cannot_be_are_refused_without_being_shown(
        self, changes: dict[str, str | bytes], message: str
    ) -> None:
        with pytest.raises(BadQuestion, match=message) as caught:
            question("B-1", **changes)
        assert not any(str(value) in str(caught.value) for value in changes.values() if len(value) > 4)

    def test_about_nobody(self) -> None:
        with pytest.raises(BadQuestion, match="needs at least one number"):
            question()

    @pytest.mark.parametrize(
        "reference", ["case-01234567890", "x135792468", "369PQRST246", "re-369pqrst246-1", "123456789018"]
    )
    def test_a_reference_that_is_a_number_of_a_person(self, reference: str) -> None:
        with pytest.raises(BadQuestion, match="reference: looks like a person's number") as caught:
            question("369PQRST246", reference=reference)
        assert reference not in str(caught.value)

    @pytest.mark.parametrize("reference", ["2026-000123", "20260701/4711", "B-1", "case-1-00001", "a:b_c.d"])
    def test_file_numbers(self, reference: str) -> None:
        assert question("B-1", reference=reference).reference == reference

    def test_no_repr_has_anybody_in_it(self) -> None:
        asked = question("B-secret", key=b"k" * 32)
        ticket = Ticket(
            "B", "case-1", State.ANSWERED, datetime(2027, 1, 1, tzinfo=UTC), (Answer("B-secret", "rich", None),)
        )
        assert "secret" not in repr(asked) + repr(ticket)
        assert "rich" not in repr(ticket)
        assert "kkk" not in repr(asked)


class TestCommitment:
    def test_each_question_has_a_key_of_its_own(self) -> None:
        one, other = question("B-1"), question("B-1")
        assert commitment(one) != commitment(other)
        assert commitment(one) == commitment(question("B-1", key=one.key))

    @given(st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=6), st.data())
    def test_other_people_or_another_order_are_another_question(self, numbers: list[str], data: st.DataObject) -> None:
        others = data.draw(st.permutations(numbers) | st.lists(st.text(min_size=1, max_size=4), min_size=1, max_size=6))
        one = Question("B", "E", "income", "p", "r", "sspin.B.1", tuple(numbers), KEY)
        other = replace(one, numbers=tuple(others))
        assert (commitment(one) == commitment(other)) is (numbers == others)

    @pytest.mark.parametrize(
        "changes",
        [
            {"asker": "C", "generation": "sspin.C.1"},
            {"holder": "F"},
            {"item": "health"},
            {"purpose": "curiosity"},
            {"reference": "case-2"},
            {"generation": "sspin.B.2"},
            {"key": b"\1" + bytes(31)},
        ],
    )
    def test_it_is_to_every_term(self, changes: dict[str, str | bytes]) -> None:
        plain = question("B-1", key=KEY)
        assert commitment(question("B-1", **{"key": KEY, **changes})) != commitment(plain)
        assert commitment(replace(plain, numbers=("B-2",))) != commitment(plain)

    def test_terms_cannot_be_shifted_into_one_another(self) -> None:
        one = question("x", "y", key=KEY, item="ab", purpose="c")
        assert commitment(one) != commitment(question("x", "y", key=KEY, item="a", purpose="bc"))
        assert commitment(one) != commitment(question("xy", key=KEY, item="ab", purpose="c"))

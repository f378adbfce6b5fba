"""What an engine demands by itself before it discloses: an order of the ledger's people, for this, not used up."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from numberkit import gen, make_converter, make_state, random_codes
from signerkit import NOW, SoftSigner, make_roster, make_signer, signer

from appliance.engine import frames, singles
from appliance.engine import orders as engine_orders
from appliance.engine.answers import Engine, LogKey
from appliance.engine.envelope import Frame, Kind
from appliance.engine.frames import Answer
from appliance.engine.orders import Orders
from appliance.engine.singles import Tagged
from appliance.ledger import cms
from appliance.ledger import order as orders
from appliance.ledger.order import Order
from appliance.ledger.policy import DisclosureRules, Policy, RoleRule
from appliance.ledger.state import LedgerState
from appliance.ledger.states import KeyState
from appliance.ledger.text import render_instant
from tests.enginekit import one

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
KEYS = {"common.1": None, "spin.1": None, "sspin.A.1": "spin.1", "sspin.B.1": "spin.1", "tag.1": None, "log.1": None}
LIMITS = {"values_per_request": 10_000, "values_per_stream": 0, "values_per_minute": 10_000}
INQUIRY = RoleRule(
    pairs=(("sspin.A", "resident"), ("sspin.A", "spin"), ("sspin.A", "sspin.B"), ("sspin.B", "resident")),
    purposes=("court-order",),
    **LIMITS,
)
PORTAL = RoleRule(
    pairs=(), purposes=(), values_per_request=0, values_per_stream=0, values_per_minute=60, history=("common",)
)


def ledger(**rules: int) -> LedgerState:
    policy = Policy(roles={"inquiry": INQUIRY, "portal": PORTAL}, disclosure=DisclosureRules(**rules))
    return replace(make_state(KEYS), policy=policy, roster=make_roster())


def made(state: LedgerState, **changes: object) -> Order:
    fields: dict[str, object] = {
        "type": "kagimori/order/v1",
        "anchor": state.anchor,
        "id": "0123456789abcdef0123456789abcdef",
        "source": "sspin.A",
        "target": "resident",
        "role": "inquiry",
        "purpose": "court-order",
        "most": 10,
        "issued": render_instant(NOW),
        "not_before": render_instant(NOW),
        "not_after": render_instant(NOW + 30 * DAY),
        "case": "東京地裁 令和8年(行ウ)第12号",
    }
    return Order(**{**fields, **changes})  # type: ignore[arg-type]


def signed(order: Order, *who: str | SoftSigner, at: datetime = NOW) -> bytes:
    people = [signer(name) if isinstance(name, str) else name for name in who or ("ueda",)]
    return cms.merge([cms.sign(orders.encode(order), one, at) for one in people])


def no_signature(message: bytes) -> bytes:
    raise AssertionError("nothing is signed here")


@dataclass
class Desk:
    """An engine over software keys, whose clock a test can turn."""

    state: LedgerState = field(default_factory=ledger)
    now: datetime = NOW + HOUR

    def __post_init__(self) -> None:
        self.between: Callable[[], None] = lambda: None  # called in the middle of bulk work
        self.converter = make_converter(self.state, between=self._interrupted)
        key = LogKey("here", Path("/nonexistent"), no_signature)
        quick = make_converter(self.state)
        self._engine = Engine(self.state, self.converter, quick, key, Orders(self.state, lambda: self.now))

    def _interrupted(self) -> None:
        self.between()

    def numbers(self, source: str, count: int) -> list[str]:
        return self.converter.convert_lines(None, gen(source), random_codes(count)).text.decode().split()

    def convert(
        self, source: str, target: str, numbers: Iterable[str], order: bytes = b"", *, now: bool = False
    ) -> Answer | str:
        asked = list(numbers)
        text = "".join(number + "\n" for number in asked).encode()
        answer = self.reply(frames.pack_convert(1, source, target, len(asked), text, order, now=now))
        if answer.kind is Kind.ERROR:
            return frames.read_error(answer, Kind.CONVERT)
        return frames.read_answer(answer, len(asked))

    def look_up(self, source: str, number: str) -> Tagged | str:
        answer = self.reply(singles.pack_tag(1, source, number.encode() + b"\n"))
        return frames.read_error(answer, Kind.TAG) if answer.kind is Kind.ERROR else singles.read_tagged(answer)

    def reply(self, question: bytes) -> Frame:
        return one(self._engine.reply(one(question)))


@pytest.fixture
def desk() -> Desk:
    return Desk()


def disclosed(answer: object) -> list[str]:
    assert isinstance(answer, Answer), answer
    return answer.lines.decode().split()


@pytest.mark.parametrize("target", ["resident", "spin", "spin.1"])
def test_the_root_and_what_others_stand_under_need_an_order(desk: Desk, target: str) -> None:
    numbers = desk.numbers("sspin.A.1", 3)
    assert desk.convert("sspin.A.1", target, numbers) == "order_required"
    order = made(desk.state, target=target.removesuffix(".1"))
    answer = desk.convert("sspin.A.1", target, numbers, signed(order))
    assert isinstance(answer, Answer)
    assert (answer.converted, len(answer.tags)) == (3, 48)


def test_what_is_disclosed_under_an_order_is_right(desk: Desk) -> None:
    codes = random_codes(5).decode().split()
    order = signed(made(desk.state))
    assert disclosed(desk.convert("sspin.A", "resident", desk.numbers("sspin.A.1", 5), order)) == codes


def test_a_pair_that_nobody_has_is_refused_whatever_order_comes_with_it(desk: Desk) -> None:
    order = signed(made(desk.state, source="common"))
    assert desk.convert("common", "resident", desk.numbers("common.1", 1), order) == "pair_denied"


def test_an_order_that_is_not_needed_is_looked_at_all_the_same(desk: Desk) -> None:
    numbers = desk.numbers("sspin.A.1", 2)
    assert disclosed(desk.convert("sspin.A", "sspin.B", numbers))
    assert desk.convert("sspin.A", "sspin.B", numbers, b"garbage") == "order_invalid"
    assert desk.convert("sspin.A", "sspin.B", numbers, signed(made(desk.state))) == "order_mismatch"
    own = signed(made(desk.state, target="sspin.B", most=3))
    assert disclosed(desk.convert("sspin.A", "sspin.B", numbers, own))
    assert desk.convert("sspin.A", "sspin.B", numbers, own) == "order_exhausted"


def altered(der: bytes) -> Iterable[bytes]:
    yield from (b"\x00", b"0", b"\x30\x80", der[:-1], der + b"\0", der * 2, bytes(65_535))
    for place in range(0, len(der), 37):
        yield der[:place] + bytes([der[place] ^ 1]) + der[place + 1 :]


def test_garbage_and_altered_orders_are_refused_and_the_engine_serves_on(desk: Desk) -> None:
    good, numbers = signed(made(desk.state)), desk.numbers("sspin.A.1", 1)
    for der in altered(good):
        assert desk.convert("sspin.A", "resident", numbers, der) in ("order_invalid", "order_expired")
    assert disclosed(desk.convert("sspin.A", "resident", numbers, good))


def test_an_order_counts_only_with_the_signatures_that_the_policy_wants() -> None:
    desk = Desk(ledger(officers=1, oversight=2))
    order, numbers = made(desk.state), desk.numbers("sspin.A.1", 1)
    for people in (("ueda",), ("ueda", "kato"), ("ito", "sato", "ueda"), ("ito", "ueda", make_signer("stranger"))):
        assert desk.convert("sspin.A", "resident", numbers, signed(order, *people)) == "order_invalid"
    assert disclosed(desk.convert("sspin.A", "resident", numbers, signed(order, "ito", "ueda", "kato")))


def test_an_order_for_something_or_somewhere_else_is_refused(desk: Desk) -> None:
    numbers = desk.numbers("sspin.A.1", 1)
    for changes, code in (
        ({"source": "sspin.B"}, "order_mismatch"),
        ({"target": "spin"}, "order_mismatch"),
        ({"anchor": "1" * 64}, "order_invalid"),
        ({"not_after": render_instant(NOW + 400 * DAY)}, "order_invalid"),
    ):
        assert desk.convert("sspin.A", "resident", numbers, signed(made(desk.state, **changes))) == code


def test_time_is_looked_at_with_every_frame(desk: Desk) -> None:
    order, numbers = signed(made(desk.state)), desk.numbers("sspin.A.1", 1)
    for now, code in (
        (NOW - HOUR, "order_expired"),
        (NOW + HOUR, None),
        (NOW + 30 * DAY, None),
        (NOW + 31 * DAY, "order_expired"),
        (NOW + 29 * DAY, None),
        (NOW - HOUR, "order_expired"),
    ):
        desk.now = now
        answer = desk.convert("sspin.A", "resident", numbers, order)
        assert (answer if isinstance(answer, str) else None) == code


def test_an_order_is_for_so_many_numbers_and_no_more(desk: Desk) -> None:
    order, numbers = signed(made(desk.state, most=10)), desk.numbers("sspin.A.1", 11)
    assert desk.convert("sspin.A", "resident", numbers, order) == "order_exhausted"
    assert len(disclosed(desk.convert("sspin.A", "resident", numbers[:6], order))) == 6
    assert desk.convert("sspin.A", "resident", numbers[:5], order) == "order_exhausted"
    assert len(disclosed(desk.convert("sspin.A", "resident", numbers[:4], order))) == 4
    assert desk.convert("sspin.A", "resident", numbers[:1], order) == "order_exhausted"


def in_the_middle(desk: Desk, ask: Callable[[], object]) -> list[object]:
    """What is answered to ``ask`` in the middle of the next bulk work, once."""
    answers: list[object] = []

    def between() -> None:
        desk.between = lambda: None
        answers.append(ask())

    desk.between = between
    return answers


FEW_AND_MANY = pytest.mark.parametrize("many", [4, 8], ids=["number by number", "in columns"])


@FEW_AND_MANY
def test_a_small_request_in_the_middle_of_a_large_one_finds_what_is_left(desk: Desk, many: int) -> None:
    order, numbers = signed(made(desk.state, most=many + 2)), desk.numbers("sspin.A.1", many)
    codes = random_codes(many).decode().split()

    def ask() -> list[Answer | str]:
        return [desk.convert("sspin.A", "resident", numbers[:count], order, now=True) for count in (3, 2, 1)]

    answers = in_the_middle(desk, ask)
    assert disclosed(desk.convert("sspin.A", "resident", numbers, order)) == codes
    ((three, two, one_more),) = answers
    assert (three, one_more) == ("order_exhausted", "order_exhausted")
    assert disclosed(two) == codes[:2]
    assert desk.convert("sspin.A", "resident", numbers[:1], order) == "order_exhausted"


@FEW_AND_MANY
def test_what_a_large_request_did_not_use_up_is_there_afterwards(desk: Desk, many: int) -> None:
    order, numbers = signed(made(desk.state, most=many)), desk.numbers("sspin.A.1", many)
    question = [numbers[0], *["ABC98765XYZ", "malformed"] * many][:many]
    answers = in_the_middle(desk, lambda: desk.convert("sspin.A", "resident", numbers[:1], order, now=True))
    answer = desk.convert("sspin.A", "resident", question, order)
    assert isinstance(answer, Answer)
    assert answer.converted == 1
    assert answers == ["order_exhausted"], "they could all have been somebody's"
    assert desk.convert("sspin.A", "resident", numbers, order) == "order_exhausted"
    assert len(disclosed(desk.convert("sspin.A", "resident", numbers[1:], order))) == many - 1
    assert desk.convert("sspin.A", "resident", numbers[:1], order) == "order_exhausted"


def test_what_no_key_can_convert_is_not_used_up() -> None:
    state = ledger()
    fresh = make_state({**KEYS, "sspin.A.2": "spin.1"}, states={"sspin.A.1": KeyState.SUSPENDED})
    desk = Desk(replace(fresh, policy=state.policy, roster=state.roster))
    order, numbers = signed(made(desk.state, most=3)), desk.numbers("sspin.A.2", 3)
    for now in (True, False):
        asked = desk.convert("sspin.A.1", "resident", ["ABC98765XYZ"] * 3, order, now=now)
        assert asked == "generation_unusable"
    assert len(disclosed(desk.convert("sspin.A.2", "resident", numbers, order))) == 3


def test_numbers_that_were_nobodys_are_not_used_up(desk: Desk) -> None:
    order, numbers = signed(made(desk.state, most=3)), desk.numbers("sspin.A.1", 3)
    for _ in range(3):
        answer = desk.convert("sspin.A", "resident", ["ABC98765XYZ", "malformed"], order)
        assert isinstance(answer, Answer)
        assert (answer.converted, answer.tags) == (0, b"")
    assert len(disclosed(desk.convert("sspin.A", "resident", numbers, order))) == 3


def test_more_signatures_do_not_make_the_count_begin_anew(desk: Desk) -> None:
    order, numbers = made(desk.state, most=3), desk.numbers("sspin.A.1", 2)
    assert disclosed(desk.convert("sspin.A", "resident", numbers, signed(order, "ueda")))
    for people in (("kato",), ("ueda", "kato"), ("ito", "ueda")):
        assert desk.convert("sspin.A", "resident", numbers, signed(order, *people)) == "order_exhausted"
    other = made(desk.state, most=3, id="f" * 32)
    assert disclosed(desk.convert("sspin.A", "resident", numbers, signed(other)))


def test_an_order_is_verified_once_and_what_is_remembered_is_bounded(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_orders, "MOST_REMEMBERED", 2)
    verified: list[bytes] = []
    verify = orders.verify

    def counted(der: bytes, state: LedgerState, *, now: datetime) -> orders.VerifiedOrder:
        verified.append(der)
        return verify(der, state, now=now)

    monkeypatch.setattr(orders, "verify", counted)
    first, second, third = (signed(made(desk.state, id=digit * 32)) for digit in "123")
    numbers = desk.numbers("sspin.A.1", 1)
    for order in (first, first, second, first, third, first, second):
        assert disclosed(desk.convert("sspin.A", "resident", numbers, order))
    assert verified == [first, second, third, second], "the one that was used longest ago is forgotten"
    for _ in range(2):
        assert desk.convert("sspin.A", "resident", numbers, b"garbage") == "order_invalid"
    assert verified[-2:] == [b"garbage"] * 2, "what was refused is not remembered"


# --- look-ups --------------------------------------------------------------------------------------


def test_tags_are_given_by_numbers_of_domains_that_somebody_may_ask_by(desk: Desk) -> None:
    number = desk.numbers("common.1", 1)[0]
    expected = desk.converter.convert_lines(None, gen("spin.1"), random_codes(1)).tags
    for source in ("common", "common.1"):
        tagged = desk.look_up(source, number)
        assert isinstance(tagged, Tagged)
        assert tagged.tags == (expected,)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        ("sspin.A", "pair_denied"),
        ("resident", "pair_denied"),
        ("spin.1", "pair_denied"),
        ("sspin.C", "generation_unusable"),
        ("common.2", "unknown_generation"),
        ("tag", "unknown_generation"),
        ("tag.1", "unknown_generation"),
        ("log.1", "unknown_generation"),
        ("nonsense", "unknown_generation"),
    ],
)
def test_and_by_no_others(desk: Desk, source: str, code: str) -> None:
    assert desk.look_up(source, "12345678901") == code


@pytest.mark.parametrize("name", ["tag", "tag.1", "log", "log.1"])
def test_no_conversion_is_from_or_to_a_service_key(desk: Desk, name: str) -> None:
    order = signed(made(desk.state))
    for source, target in ((name, "resident"), ("resident", name), ("sspin.A", name), (name, name)):
        assert desk.convert(source, target, ["12345678901"], order) == "unknown_generation"

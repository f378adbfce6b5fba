"""The converter: right numbers, verified at the root, by numbers and in columns alike."""

from __future__ import annotations

import random

import pytest
from numberkit import DEFAULT_KEYS, gen, key_of, make_converter, make_state, random_codes, software_aes

from appliance.engine import converter as converters
from appliance.engine.converter import FEW_LINES, Converted, Converter
from appliance.engine.routes import GenerationUnusable, UnknownGeneration
from appliance.ledger.fold import KeyRecord
from appliance.ledger.states import KeyState
from appliance.numbers.aes import EncryptBlocks
from appliance.numbers.domains import Domain, Generation
from appliance.numbers.ff1 import FF1
from appliance.numbers.formats import BASE36, DECIMAL, Format
from appliance.numbers.lockstep import CHUNK

RESIDENT, SPIN = Format(DECIMAL, 11), Format(BASE36, 11)
TREE = [
    Domain("resident", RESIDENT, None),
    Domain("common", Format(DECIMAL, 11, "individual-number"), "resident"),
    Domain("spin", SPIN, "resident"),
    Domain("sspin.B", SPIN, "spin"),
    Domain("sspin.E", SPIN, "spin"),
    Domain("sspin.Dec", Format(DECIMAL, 18), "spin"),
    Domain("sspin.Long", Format(BASE36, 24), "spin"),  # 124 bits; halves of 62
    Domain("sspin.Huge", Format(BASE36, 30), "spin"),  # halves of 77 bits: no arrays
]
KEYS: dict[str, str | None] = {"common.1": None, "spin.1": None, "spin.2": None}
KEYS |= {f"sspin.{sector}.1": "spin.1" for sector in ("B", "E", "Dec", "Long", "Huge")}
KEYS |= {"sspin.B.2": "spin.1", "sspin.B.3": "spin.2"}
ENDS = [None, *map(gen, KEYS)]
IDS = ["resident", *KEYS]


@pytest.fixture(scope="module")
def converter() -> Converter:
    return make_converter(make_state(KEYS, domains=TREE))


def by_the_standard(code: str, target: Generation | None) -> str:
    """A resident code's number in a domain, with nothing but FF1 on lists of digits."""
    if target is None:
        return code
    formats = {domain.name: domain.format for domain in TREE}
    value, steps = int(code), []
    place: Generation | None = target
    while place is not None:
        steps.insert(0, place)
        parent = KEYS[str(place)]
        place = gen(parent) if parent else None
    for step in steps:
        fmt = formats[step.domain]
        plain = Format(fmt.alphabet, fmt.length)
        ff1 = FF1(software_aes(key_of(step)), fmt.radix, step.domain.encode())
        digits = ff1.encrypt([fmt.alphabet.index(letter) for letter in plain.render(value)])
        value = plain.parse("".join(fmt.alphabet[digit] for digit in digits))
    return formats[target.domain].render(value)


@pytest.mark.parametrize("target", ENDS, ids=IDS)
@pytest.mark.parametrize("source", ENDS, ids=IDS)
def test_every_pair_equals_the_standard(
    converter: Converter, source: Generation | None, target: Generation | None
) -> None:
    codes = ["00000000000", "99999999999", *random_codes(10).decode().split()]
    question = "".join(by_the_standard(code, source) + "\n" for code in codes).encode()
    answer = "".join(by_the_standard(code, target) + "\n" for code in codes).encode()
    assert converter.convert_lines(source, target, question) == Converted(answer, len(codes), 0, 0)
    few = question.splitlines(keepends=True)[:FEW_LINES]
    assert converter.convert_lines(source, target, b"".join(few)).text == b"".join(answer.splitlines(True)[:FEW_LINES])


@pytest.mark.parametrize("target", ENDS, ids=IDS)
@pytest.mark.parametrize("source", ENDS[1:], ids=IDS[1:])
def test_number_by_number_equals_columns(
    converter: Converter, monkeypatch: pytest.MonkeyPatch, source: Generation, target: Generation | None
) -> None:
    """Good, random, damaged and malformed lines, mixed."""
    rng = random.Random(str(source))
    good = converter.convert_lines(None, source, random_codes(40)).text.splitlines()
    fmt = next(domain.format for domain in TREE if domain.name == source.domain)
    lines = good + [fmt.render(rng.randrange(fmt.size)).encode() for _ in range(20)]
    lines += (
        [line[:-1] for line in good[:5]] + [line.lower() for line in good[:5]] + [b"", b"!unknown_number", b"\xff" * 11]
    )
    lines += [line[:3] + bytes([line[4], line[3]]) + line[5:] for line in good[:20]]
    rng.shuffle(lines)
    data = b"\r\n".join(lines)
    together = converter.convert_lines(source, target, data)
    monkeypatch.setattr(converters, "_few", lambda data: True)
    singly = converter.convert_lines(source, target, data)
    assert together == singly
    assert together.converted + together.malformed + together.unknown == len(lines)
    assert together.converted >= 40
    assert together.malformed >= 5
    # every well-formed common number is somebody's: that domain is no larger than the resident codes'
    assert (together.unknown > 0) == (fmt.size > RESIDENT.size)


def test_a_random_number_is_unknown(converter: Converter) -> None:
    rng = random.Random(8)
    numbers = [SPIN.render(rng.randrange(SPIN.size)) for _ in range(1000)]
    answer = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), "\n".join(numbers).encode())
    assert answer == Converted(b"!unknown_number\n" * 1000, 0, 0, 1000)
    assert converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), numbers[0].encode()).text == b"!unknown_number\n"


@pytest.mark.parametrize("wrong", ["sspin.E.1", "sspin.B.2", "sspin.B.3", "spin.1"])
def test_a_number_of_another_sector_or_generation_is_unknown(converter: Converter, wrong: str) -> None:
    foreign = converter.convert_lines(None, gen(wrong), random_codes(500)).text
    for target in ENDS:
        answer = converter.convert_lines(gen("sspin.B.1"), target, foreign)
        assert answer == Converted(b"!unknown_number\n" * 500, 0, 0, 500)


@pytest.mark.parametrize("source", ["sspin.Dec.1", "sspin.Long.1", "sspin.Huge.1"])
def test_a_number_too_large_for_its_parent_is_unknown(converter: Converter, source: str) -> None:
    """Values of the child at and above the parent's size, up to the very last, are none of the parent's."""
    fmt = next(domain.format for domain in TREE if domain.name == gen(source).domain)
    ff1 = FF1(software_aes(key_of(gen(source))), fmt.radix, gen(source).domain.encode())
    values = [SPIN.size, SPIN.size + 1, 2**63, 2**64, 2**64 + 1, 2**64 + 10**10, fmt.size - 1]
    lines = []
    for value in (value for value in values if value < fmt.size):
        digits = ff1.encrypt([fmt.alphabet.index(letter) for letter in fmt.render(value)])
        lines.append("".join(fmt.alphabet[digit] for digit in digits))
    assert len(lines) >= 3
    for data in ("\n".join(lines * 3), lines[0]):  # in columns, and one by one
        count = data.count("\n") + 1
        for target in (gen("sspin.E.1"), gen("spin.1"), None):
            answer = converter.convert_lines(gen(source), target, data.encode())
            assert answer == Converted(b"!unknown_number\n" * count, 0, 0, count)


def test_a_number_refused_by_one_parent_stays_refused_at_the_next() -> None:
    """In columns it goes on as 0, and the 0 of this tree's sPIN is somebody's; others fail at the second parent."""
    tree = [Domain("resident", Format(DECIMAL, 17), None), Domain("spin", SPIN, "resident")]
    tree.append(Domain("sspin.Dec", Format(DECIMAL, 18), "spin"))
    converter = make_converter(make_state({"spin.1": None, "sspin.Dec.1": "spin.1"}, domains=tree))
    assert converter.convert_value(gen("spin.1"), None, 0) is not None
    nobodys = [value for value in range(1, 30) if converter.convert_value(gen("spin.1"), None, value) is None]
    assert nobodys
    ff1 = FF1(software_aes(key_of(gen("sspin.Dec.1"))), 10, b"sspin.Dec")
    lines = []
    for value in (SPIN.size, SPIN.size + 1, *nobodys, SPIN.size + 2):
        lines.append("".join(map(str, ff1.encrypt([int(digit) for digit in f"{value:018d}"]))))
    answer = converter.convert_lines(gen("sspin.Dec.1"), None, "\n".join(lines).encode())
    assert answer == Converted(b"!unknown_number\n" * len(lines), 0, 0, len(lines))


def test_rekeying_one_domain(converter: Converter) -> None:
    """sspin.B.1 → sspin.B.2 (same sPIN generation) and → sspin.B.3 (another), and back."""
    old = converter.convert_lines(None, gen("sspin.B.1"), random_codes(100)).text
    for newer in (gen("sspin.B.2"), gen("sspin.B.3")):
        new = converter.convert_lines(gen("sspin.B.1"), newer, old).text
        assert not set(new.split()) & set(old.split())
        assert converter.convert_lines(newer, gen("sspin.B.1"), new).text == old


def test_order_and_seams_of_long_input(converter: Converter) -> None:
    codes = random_codes(2 * CHUNK + 5).splitlines()
    for place in (0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 4):
        codes[place] = b"bad"
    answer = converter.convert_lines(None, gen("sspin.B.1"), b"\n".join(codes))
    assert (answer.converted, answer.malformed, answer.unknown) == (2 * CHUNK - 2, 7, 0)
    lines = answer.text.splitlines()
    assert len(lines) == len(codes)
    back = converter.convert_lines(gen("sspin.B.1"), None, answer.text)
    expected = [b"!malformed_number" if code == b"bad" else code for code in codes]
    assert back.text.splitlines() == expected
    assert back.malformed == 7


def test_lines_of_any_length_in_long_input(converter: Converter) -> None:
    """Pieces are cut at newlines wherever these are."""
    good = converter.convert_lines(None, gen("sspin.B.1"), random_codes(200)).text.splitlines()
    lines = [*good, b"x" * 300_000, *[b""] * 150_000, *good, *[b"y" * 100] * 3000, *good]
    answer = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), b"\n".join(lines) + b"\n")
    expected = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), b"\n".join(good)).text
    bad = b"!malformed_number\n"
    assert answer.text == expected + bad * 150_001 + expected + bad * 3000 + expected
    assert (answer.converted, answer.malformed) == (600, 153_001)


@pytest.mark.parametrize("data", [b"", b"\n", b"\n\n\n\n\n\n\n\n\n\n"])
def test_empty_input_and_empty_lines(converter: Converter, data: bytes) -> None:
    count = data.count(b"\n")
    answer = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), data)
    assert answer == Converted(b"!malformed_number\n" * count, 0, count, 0)


def test_one_value(converter: Converter) -> None:
    value = converter.convert_value(None, gen("sspin.B.1"), 1234567890)
    assert value is not None
    assert SPIN.render(value) == by_the_standard("01234567890", gen("sspin.B.1"))
    assert converter.convert_value(gen("sspin.B.1"), None, value) == 1234567890
    assert converter.convert_value(gen("sspin.B.2"), None, value) is None
    for outside in (-1, 10**11):
        with pytest.raises(ValueError, match="does not fit the source's format"):
            converter.convert_value(None, gen("sspin.B.1"), outside)


def test_every_key_that_may_convert_is_asked_for_once_and_at_once() -> None:
    asked: list[Generation] = []

    def encryptor(record: KeyRecord) -> EncryptBlocks:
        asked.append(record.generation)
        return software_aes(key_of(record.generation))

    states = {"sspin.A.1": KeyState.DECRYPT_ONLY, "sspin.B.1": KeyState.SUSPENDED, "sspin.C.2": KeyState.GENERATED,
              "sspin.D.1": KeyState.RETIRED, "sspin.E.1": KeyState.DESTROYED}  # fmt: skip
    converter = Converter(make_state(states=states), encryptor)
    unusable = {"sspin.B.1", "sspin.C.2", "sspin.D.1", "sspin.E.1"}
    assert sorted(map(str, asked)) == sorted(set(DEFAULT_KEYS) - unusable)
    assert converter.convert_lines(None, gen("sspin.F.1"), b"01234567890\n" * 20).converted == 20
    assert len(asked) == len(set(asked)) == len(DEFAULT_KEYS) - 4


def test_what_the_encryptor_raises_is_not_swallowed() -> None:
    class KeyGone(Exception):
        pass

    def encryptor(record: KeyRecord) -> EncryptBlocks:
        raise KeyGone(str(record.generation))

    with pytest.raises(KeyGone):
        Converter(make_state(), encryptor)


def test_states_are_enforced() -> None:
    converter = make_converter(make_state(states={"sspin.C.1": KeyState.DECRYPT_ONLY, "sspin.B.1": KeyState.SUSPENDED}))
    numbers = converter.convert_lines(None, gen("sspin.E.1"), random_codes(20)).text
    for source, target, reason in (
        ("sspin.E.1", "sspin.C.1", "sspin.C.1 is decrypt-only"),
        ("sspin.E.1", "sspin.B.1", "sspin.B.1 is suspended"),
        ("sspin.B.1", "sspin.E.1", "sspin.B.1 is suspended"),
    ):
        with pytest.raises(GenerationUnusable, match=reason):
            converter.convert_lines(gen(source), gen(target), numbers)
    with pytest.raises(UnknownGeneration, match=r"sspin.E.2"):
        converter.convert_lines(gen("sspin.E.2"), gen("sspin.F.1"), numbers)


def test_a_converter_of_small_chunks_says_the_same(converter: Converter) -> None:
    numbers = converter.convert_lines(None, gen("sspin.B.1"), random_codes(2_500)).text
    expected = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), numbers)
    for chunk in (1_024, 7):
        small = make_converter(make_state(KEYS, domains=TREE), chunk=chunk)
        assert small.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), numbers) == expected
        assert small.convert_lines(None, gen("sspin.Dec.1"), random_codes(50)) == converter.convert_lines(
            None, gen("sspin.Dec.1"), random_codes(50)
        )


@pytest.mark.parametrize(
    ("ends", "count", "times"),
    [
        (("sspin.B.1", "sspin.E.1"), 40, 30),  # ten rounds for each of three keys
        (("sspin.B.1", "sspin.E.1"), 100, 2 * 30),
        (("sspin.B.1", "sspin.E.1"), FEW_LINES, FEW_LINES),
        (("sspin.Huge.1", "sspin.E.1"), 40, 40),
    ],
)
def test_work_can_be_interrupted_before_each_round_or_after_each_number(
    converter: Converter, ends: tuple[str, str], count: int, times: int
) -> None:
    calls: list[None] = []
    interrupted = make_converter(make_state(KEYS, domains=TREE), chunk=64, between=lambda: calls.append(None))
    source, target = map(gen, ends)
    numbers = converter.convert_lines(None, source, random_codes(count)).text
    assert interrupted.convert_lines(source, target, numbers) == converter.convert_lines(source, target, numbers)
    assert len(calls) == times


def test_what_is_raised_where_it_is_interrupted_ends_it(converter: Converter) -> None:
    def between() -> None:
        raise ConnectionResetError

    interrupted = make_converter(make_state(KEYS, domains=TREE), between=between)
    for count in (1, 40):
        with pytest.raises(ConnectionResetError):
            interrupted.convert_lines(None, gen("sspin.B.1"), random_codes(count))

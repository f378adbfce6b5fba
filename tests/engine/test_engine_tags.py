"""Subject tags: the same by an independent AES, in columns and number by number, for converted numbers only."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given, settings
from hypothesis import strategies as st
from numberkit import DEFAULT_KEYS, gen, key_of, make_converter, make_state, random_codes, software_aes

from appliance.engine import converter as converters
from appliance.engine.converter import FEW_LINES, Converter
from appliance.engine.routes import GenerationUnusable, UnknownGeneration
from appliance.engine.singles import Status, Tagged
from appliance.engine.tags import Tagger
from appliance.ledger.fold import KeyRecord
from appliance.ledger.states import KeyState
from appliance.numbers.aes import BlocksLost, EncryptBlocks
from appliance.numbers.domains import Domain, Generation
from appliance.numbers.formats import BASE36, DECIMAL, Format
from appliance.numbers.lockstep import CHUNK

KEYS = {**DEFAULT_KEYS, "tag.1": None, "log.1": None}
SPIN = Format(BASE36, 11)


@pytest.fixture(scope="module")
def converter() -> Converter:
    return make_converter(make_state(KEYS))


@cache
def block_cipher(key: bytes) -> Cipher[modes.ECB]:
    return Cipher(algorithms.AES(key), modes.ECB())


def tag(code: str, generation: str = "tag.1") -> bytes:
    """A resident code's tag, by the definition and nothing of ours."""
    encryptor = block_cipher(key_of(gen(generation))).encryptor()
    return encryptor.update(b"kg/tag/1" + int(code).to_bytes(8, "big")) + encryptor.finalize()


def tags(codes: list[str]) -> bytes:
    return b"".join(map(tag, codes))


@pytest.mark.parametrize("count", [1, FEW_LINES, FEW_LINES + 1, 500])
@pytest.mark.parametrize("target", ["common.1", "spin.1", "sspin.E.1"])
@pytest.mark.parametrize("source", [None, "common.1", "sspin.B.1"])
def test_every_way_gives_the_resident_codes_tag(
    converter: Converter, source: str | None, target: str, count: int
) -> None:
    codes = random_codes(count).decode().split()
    start = None if source is None else gen(source)
    question = converter.convert_lines(None, start, "\n".join(codes).encode()) if start else None
    asked = question.text if question else "\n".join(codes).encode()
    if source != target:
        assert converter.convert_lines(start, gen(target), asked).tags == tags(codes)
    if start:
        assert converter.convert_lines(start, None, asked).tags == tags(codes)


def test_the_extreme_codes(converter: Converter) -> None:
    codes = ["00000000000", "99999999999", "00000000001", "42949672959", "42949672960"]
    assert converter.convert_lines(None, gen("sspin.B.1"), "\n".join(codes).encode()).tags == tags(codes)


@given(st.lists(st.one_of(st.integers(0, 10**11 - 1), st.sampled_from(["", "x", "malformed", "!"])), max_size=40))
@settings(deadline=None)  # a busy machine is no defect
def test_number_by_number_equals_columns(mixed: list[int | str]) -> None:
    """Good, random and malformed lines, mixed: only the converted ones are tagged, in their order."""
    converter = make_converter(make_state(KEYS))
    rng = random.Random(len(mixed))
    lines, good = [], []
    for item in mixed:
        if isinstance(item, str):
            lines.append(item)
        elif item % 5 == 0:
            lines.append(SPIN.render(rng.randrange(SPIN.size)))  # nobody's
        else:
            code = f"{item:011d}"
            good.append(code)
            lines.append(converter.convert_lines(None, gen("sspin.B.1"), code.encode()).text.decode().strip())
    data = "".join(line + "\n" for line in lines).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(converters, "_few", lambda data: False)
        together = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), data)
        patch.setattr(converters, "_few", lambda data: True)
        singly = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), data)
    assert together == singly
    assert together.tags == tags(good)
    assert together.converted == len(good)


def test_formats_of_other_sizes_come_out_alike() -> None:
    """Through a decimal domain, one with halves above 63 bits, and one whose root has an odd length."""
    tree = [
        Domain("resident", Format(DECIMAL, 9), None),
        Domain("spin", SPIN, "resident"),
        Domain("sspin.Dec", Format(DECIMAL, 18), "spin"),
        Domain("sspin.Huge", Format(BASE36, 30), "spin"),
    ]
    keys: dict[str, str | None] = {"spin.1": None, "sspin.Dec.1": "spin.1", "sspin.Huge.1": "spin.1", "tag.1": None}
    converter = make_converter(make_state(keys, domains=tree))
    codes = [f"{code:09d}" for code in random.Random(3).sample(range(10**9), 50)]
    for name in ("sspin.Dec.1", "sspin.Huge.1"):
        numbers = converter.convert_lines(None, gen(name), "\n".join(codes).encode())
        assert numbers.tags == tags(codes)
        assert converter.convert_lines(gen(name), gen("spin.1"), numbers.text).tags == tags(codes)


def test_order_and_seams_of_long_input(converter: Converter) -> None:
    codes = random_codes(2 * CHUNK + 5).decode().split()
    asked = list(codes)
    for place in (0, CHUNK - 1, CHUNK, 2 * CHUNK):
        asked[place] = "bad"
    good = [code for code in asked if code != "bad"]
    answer = converter.convert_lines(None, gen("sspin.B.1"), "\n".join(asked).encode())
    assert answer.tags == tags(good)
    lines = [b"x" * 300_000, *answer.text.splitlines(), *[b""] * 150_000, *answer.text.splitlines()]
    again = converter.convert_lines(gen("sspin.B.1"), gen("sspin.E.1"), b"\n".join(lines))
    assert again.tags == tags(good) * 2


def test_two_calls_of_aes_a_chunk_and_one_for_a_few() -> None:
    sizes: list[int] = []
    aes = software_aes(key_of(gen("tag.1")))

    def encryptor(record: KeyRecord) -> EncryptBlocks:
        if record.generation != gen("tag.1"):
            return software_aes(key_of(record.generation))
        return lambda blocks: sizes.append(len(blocks)) or aes(blocks)  # type: ignore[func-returns-value]

    converter = Converter(make_state(KEYS), encryptor)
    converter.convert_lines(None, gen("sspin.B.1"), random_codes(2 * CHUNK + 100))
    assert sizes == [16 * CHUNK] * 4 + [1600] * 2
    sizes.clear()
    converter.convert_lines(None, gen("sspin.B.1"), random_codes(2))
    assert sizes == [64]
    sizes.clear()
    assert converter.convert_lines(None, gen("sspin.B.1"), b"bad\n" * 2).tags == b""
    assert converter.convert_lines(None, gen("sspin.B.1"), b"bad\n" * 20).tags == b""
    assert sizes == []


@pytest.mark.parametrize("lost", [-16, -1, 1, 16])
def test_an_aes_that_answers_more_or_less_is_found_out(lost: int) -> None:
    tagger = Tagger(lambda blocks: bytes(len(blocks) + lost), Format(DECIMAL, 11))
    with pytest.raises(BlocksLost, match=f"AES answered {64 + lost} bytes to 64"):
        tagger.of_values((1, 2))


def test_a_root_beyond_eight_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="do not fit eight bytes"):
        Tagger(software_aes(bytes(32)), Format(DECIMAL, 20))


def test_without_a_tag_key_there_are_no_tags() -> None:
    converter = make_converter(make_state())
    for count in (1, 100):
        done = converter.convert_lines(None, gen("sspin.B.1"), random_codes(count))
        assert (done.converted, done.tags) == (count, b"")


# --- looking up ------------------------------------------------------------------------------------


def rotated() -> Converter:
    """Four tag keys: an older one that reads, a suspended one, the current one, and one that is not in use yet."""
    keys = {**DEFAULT_KEYS, **{f"tag.{number}": None for number in (1, 2, 3, 4)}}
    states = {"tag.1": KeyState.DECRYPT_ONLY, "tag.2": KeyState.SUSPENDED, "tag.4": KeyState.GENERATED}
    state = make_state(keys, states=states)
    records = {
        generation: replace(record, activated=generation.number if generation.domain == "tag" else 0)
        for generation, record in state.keys.items()
    }
    return make_converter(replace(state, keys=records))


def test_a_look_up_gives_the_tags_of_all_readable_keys_the_newest_first() -> None:
    converter = rotated()
    code = "12345678901"
    number = converter.convert_lines(None, gen("sspin.B.1"), code.encode())
    assert number.tags == tag(code, "tag.3")
    expected = Tagged(Status.OK, (tag(code, "tag.3"), tag(code, "tag.1")))
    assert converter.tags_of(gen("sspin.B.1"), number.text) == expected
    assert converter.tags_of(None, code.encode() + b"\n") == expected


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"\n", Status.MALFORMED),
        (b"ABC98765XY\n", Status.MALFORMED),
        (b"abc98765xyz\n", Status.MALFORMED),
        (b"ABC98765XYZ\n", Status.UNKNOWN),
    ],
)
def test_a_look_up_by_no_number_or_nobodys_gives_none(converter: Converter, line: bytes, status: Status) -> None:
    assert converter.tags_of(gen("sspin.B.1"), line) == Tagged(status)


def test_a_number_of_another_generation_or_sector_finds_nobody(converter: Converter) -> None:
    number = converter.convert_lines(None, gen("sspin.C.1"), b"12345678901\n").text
    for other in ("sspin.C.2", "sspin.B.1", "spin.1"):
        assert converter.tags_of(gen(other), number) == Tagged(Status.UNKNOWN)


def test_a_look_up_needs_readable_keys_all_the_way() -> None:
    converter = make_converter(make_state(KEYS, states={"sspin.B.1": KeyState.SUSPENDED}))
    with pytest.raises(GenerationUnusable, match=r"sspin.B.1 is suspended"):
        converter.tags_of(gen("sspin.B.1"), b"ABC98765XYZ\n")


# --- service keys convert nothing ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tag.1", "log.1"])
def test_service_keys_are_no_ends_of_a_conversion(converter: Converter, name: str) -> None:
    for source, target in ((gen(name), None), (None, gen(name)), (gen("sspin.B.1"), gen(name))):
        with pytest.raises(UnknownGeneration, match=f"'{name}' is no domain or key generation of this ledger"):
            converter.convert_lines(source, target, b"12345678901\n")
    with pytest.raises(UnknownGeneration):
        converter.tags_of(gen(name), b"12345678901\n")


def test_the_log_key_is_never_asked_for_blocks() -> None:
    asked: list[Generation] = []

    def encryptor(record: KeyRecord) -> EncryptBlocks:
        asked.append(record.generation)
        return software_aes(key_of(record.generation))

    Converter(make_state(KEYS), encryptor)
    assert sorted(map(str, asked)) == sorted(set(KEYS) - {"log.1"})

"""Formats and check digits: what is well formed, what is not, and why."""

from __future__ import annotations

import pytest
from numberkit import IN_USE, OTHERS

from appliance.numbers.checkdigits import CHECK_RULES, CheckRule, individual_number
from appliance.numbers.formats import BASE36, DECIMAL, MAXIMUM_LENGTH, Format, FormatError, MalformedNumber

KNOWN_VALID = ["123456789018", "023456789013", "983205673214"]


@pytest.mark.parametrize(
    ("text", "fmt"),
    [
        ("01234567890", Format(DECIMAL, 11)),
        ("ABC98765XYZ", Format(BASE36, 11)),
        ("369PQRST246", Format(BASE36, 11)),
        ("135792468", Format(DECIMAL, 9)),
    ],
    ids=["resident code", "sPIN", "ssPIN_C", "existing number"],
)
def test_samples_of_the_scheme_are_well_formed(text: str, fmt: Format) -> None:
    assert fmt.render(fmt.parse(text)) == text


@pytest.mark.parametrize("number", KNOWN_VALID)
def test_known_individual_numbers_are_valid(number: str) -> None:
    common = IN_USE["common"]
    assert individual_number(number[:11]) == number[11]
    assert common.parse(number) == int(number[:11])
    assert common.render(int(number[:11])) == number


@pytest.mark.parametrize("number", KNOWN_VALID)
def test_any_other_check_digit_is_malformed(number: str) -> None:
    for wrong in set(DECIMAL) - {number[11]}:
        with pytest.raises(MalformedNumber, match="its check digit is wrong"):
            IN_USE["common"].parse(number[:11] + wrong)


def test_individual_number_follows_the_ordinance_word_for_word() -> None:
    """P_n from the lowest digit, Q_n = n+1 up to 6 and n-5 above, 11 minus the remainder, 0 if that is above 9."""
    for value in (0, 1, 10**11 - 1, *range(7, 10**11, 10**11 // 997)):
        digits = f"{value:011d}"
        total = sum(int(digits[-n]) * (n + 1 if n <= 6 else n - 5) for n in range(1, 12))
        expected = 0 if total % 11 <= 1 else 11 - total % 11
        assert individual_number(digits) == str(expected)


@pytest.mark.parametrize("digits", ["1234567890", "123456789012", "1234567890x", "1234567890１"])
def test_check_digit_of_anything_but_eleven_ascii_digits_is_refused(digits: str) -> None:
    with pytest.raises(ValueError, match=r"argument|substring"):
        individual_number(digits)


def test_a_rule_of_ones_own_is_data() -> None:
    rule = CheckRule((3, 1, 3, 1), "0987654321")
    assert rule.digits == 4
    assert rule.compute("1234") == "2"  # 3 + 2 + 9 + 4 = 18


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "needs 11 characters, has 0"),
        ("ABC98765XY", "needs 11 characters, has 10"),
        ("ABC98765XYZ0", "needs 11 characters, has 12"),
        ("abc98765XYZ", "outside the alphabet"),
        ("ABC98765XY\n", "outside the alphabet"),
        ("ABC98765XY ", "outside the alphabet"),
        ("ABC98765XY１", "outside the alphabet"),
        ("!BC98765XYZ", "outside the alphabet"),
    ],
)
def test_malformed_numbers_say_why(text: str, reason: str) -> None:
    with pytest.raises(MalformedNumber, match=reason):
        Format(BASE36, 11).parse(text)


@pytest.mark.parametrize("value", [-1, 36**11])
def test_render_refuses_what_does_not_fit(value: int) -> None:
    with pytest.raises(ValueError, match="does not fit the format"):
        Format(BASE36, 11).render(value)


@pytest.mark.parametrize(
    ("alphabet", "length", "check", "reason"),
    [
        ("0", 11, "none", "at least two characters"),
        ("", 11, "none", "at least two characters"),
        ("0120", 11, "none", "each one once"),
        ("01!", 11, "none", "without space and '!'"),
        ("01 ", 11, "none", "without space and '!'"),
        ("01\n", 11, "none", "only printable ASCII"),
        ("01é", 11, "none", "only printable ASCII"),
        (DECIMAL, 1, "none", "2 to 128 digits, not 1"),
        (DECIMAL, -5, "none", "2 to 128 digits"),
        (DECIMAL, MAXIMUM_LENGTH + 1, "none", "2 to 128 digits, not 129"),
        (DECIMAL, 11, "luhn", "unknown rule 'luhn'; known: none, individual-number"),
        (DECIMAL, 12, "individual-number", "needs exactly 11 decimal digits"),
        (BASE36, 11, "individual-number", "needs exactly 11 decimal digits"),
    ],
)
def test_impossible_formats_are_refused(alphabet: str, length: int, check: str, reason: str) -> None:
    with pytest.raises(FormatError, match=reason):
        Format(alphabet, length, check)


@pytest.mark.parametrize("fmt", [*IN_USE.values(), *OTHERS.values()], ids=[*IN_USE, *OTHERS])
def test_sizes_and_halves_agree(fmt: Format) -> None:
    assert fmt.left_size * fmt.right_size == fmt.size == fmt.radix**fmt.length
    assert fmt.left_size == fmt.radix ** (fmt.length // 2)
    assert fmt.split(fmt.size - 1) == (fmt.left_size - 1, fmt.right_size - 1)
    assert fmt.join(fmt.left_size - 1, 0) == fmt.size - fmt.right_size
    assert fmt.text_length == fmt.length + (CHECK_RULES[fmt.check] is not None)

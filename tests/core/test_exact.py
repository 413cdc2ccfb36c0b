"""Exact numbers: no digit is lost, none is invented, and ties go to the even neighbour."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from creditfold.core.exact import INT64_MAX, Exact, decimal, half_even, parse_decimal, pow10

numbers = st.builds(Exact, st.integers(-INT64_MAX, INT64_MAX), st.integers(0, 18))


def value(number: Exact) -> Fraction:
    return Fraction(number.coefficient, 10**number.decimals)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", Exact(0, 0)),
        ("-0", Exact(0, 0)),
        ("0.000", Exact(0, 0)),
        ("5", Exact(5, 0)),
        ("100", Exact(100, 0)),
        ("-5", Exact(-5, 0)),
        ("12.50", Exact(125, 1)),
        ("0.00012345", Exact(12345, 8)),
        ("-0.1", Exact(-1, 1)),
        ("0.000000000000000001", Exact(1, 18)),
        ("9223372036854775807", Exact(INT64_MAX, 0)),
        ("-9223372036854775807", Exact(-INT64_MAX, 0)),
        ("9.223372036854775807", Exact(INT64_MAX, 18)),
        ("1.0000000000000000000000", Exact(1, 0)),
    ],
)
def test_plain_decimal_text_is_read_to_the_last_digit(text, number):
    assert number == parse_decimal(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1 ",
        "+1",
        "01",
        "00",
        ".5",
        "5.",
        "1e3",
        "1E3",
        "1,000",
        "1_000",
        "NaN",
        "inf",
        "--1",
        "0x10",
        "٣",
        "1\n",
        "9223372036854775808",
        "-9223372036854775808",
        "0.0000000000000000001",
        "1.0000000000000000001",
    ],
)
def test_what_two_readers_could_read_differently_is_no_number(text):
    assert parse_decimal(text) is None


@given(numbers)
def test_what_is_written_reads_back_as_the_same_value(number):
    again = parse_decimal(str(number))
    assert again is not None
    assert value(number) == value(again)


@given(st.integers(-(10**25), 10**25), st.integers(0, 18))
def test_decimal_text_has_the_value_of_its_steps(amount, exponent):
    assert Fraction(amount, 10**exponent) == Fraction(decimal(amount, exponent))


@pytest.mark.parametrize(
    ("text", "amount", "exponent"),
    [
        ("0", 0, 4),
        ("1", 100, 2),
        ("-0.05", -5, 2),
        ("1.5", 1500, 3),
        ("-12", -12, 0),
        ("0.000001", 1, 6),
    ],
)
def test_decimal_text_has_no_trailing_zeros(text, amount, exponent):
    assert text == decimal(amount, exponent)


@pytest.mark.parametrize(
    ("steps", "number", "exponent"),
    [
        (1250, Exact(125, 1), 2),
        (125, Exact(125, 1), 1),
        (None, Exact(125, 1), 0),
        (-5, Exact(-5, 0), 0),
        (0, Exact(0, 0), 12),
    ],
)
def test_scaling_is_exact_or_refused(steps, number, exponent):
    assert steps == number.scaled(exponent)


@given(numbers, numbers)
def test_numbers_compare_by_value_whatever_their_decimals(left, right):
    expected = (value(left) > value(right)) - (value(left) < value(right))
    assert expected == left.compared(right)


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_half_even_is_the_nearest_integer_and_ties_go_to_the_even_one(numerator, denominator):
    assert round(Fraction(numerator, denominator)) == half_even(numerator, denominator)


@pytest.mark.parametrize(
    ("nearest", "numerator", "denominator"),
    [(0, 1, 2), (2, 3, 2), (2, 5, 2), (0, -1, 2), (-2, -3, 2), (1, 2, 3), (33, 100, 3), (7, 7, 1)],
)
def test_half_even_at_ties(nearest, numerator, denominator):
    assert nearest == half_even(numerator, denominator)


def test_a_quotient_needs_a_positive_denominator():
    with pytest.raises(AssertionError):
        half_even(1, 0)


@pytest.mark.parametrize("exponent", [0, 1, 18, 63])
def test_powers_of_ten(exponent):
    assert 10**exponent == pow10(exponent)

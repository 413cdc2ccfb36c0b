"""Currencies: the decimals of ISO 4217, against the published table."""

from __future__ import annotations

import pytest
from iso4217 import Currency

from creditfold.core.currencies import CURRENCY_EXPONENT, LEDGER_EXPONENT, MINOR_EXPONENT
from creditfold.core.exact import INT64_MAX

PUBLISHED = {c.code: c.exponent for c in Currency if c.exponent is not None}
NO_MINOR_UNIT = sorted(c.code for c in Currency if c.exponent is None)


def test_minor_units_are_those_of_the_published_table():
    assert {code: PUBLISHED.get(code) for code in MINOR_EXPONENT} == MINOR_EXPONENT


def test_no_published_currency_is_missing():
    assert set() == set(PUBLISHED) - set(MINOR_EXPONENT)


@pytest.mark.parametrize("code", [*NO_MINOR_UNIT, "XAU", "XDR", "XXX", "usd", "", "BTC"])
def test_what_has_no_minor_unit_is_no_currency_of_ours(code):
    assert code not in MINOR_EXPONENT


@pytest.mark.parametrize(
    ("exponent", "codes"),
    [
        (0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
        (3, "BHD IQD JOD KWD LYD OMR TND"),
        (4, "CLF UYW"),
    ],
)
def test_the_exponents_that_are_not_two_are_these(exponent, codes):
    assert codes.split() == sorted(c for c, n in MINOR_EXPONENT.items() if n == exponent)


@pytest.mark.parametrize("code", sorted(MINOR_EXPONENT))
def test_the_ledger_step_divides_the_minor_unit_and_leaves_room_for_large_amounts(code):
    step = CURRENCY_EXPONENT[code]
    assert MINOR_EXPONENT[code] <= step <= LEDGER_EXPONENT
    assert 900_000_000 <= INT64_MAX // 10**step

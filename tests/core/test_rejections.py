"""The rejection codes, top to bottom: each is given, and of two faults the higher one is told."""

from __future__ import annotations

import pytest

from core.refusals import (
    COMMITMENT,
    HUGE,
    INEXACT,
    NO_METER,
    NO_UNIT,
    NOW,
    OTHERS,
    PLAN,
    PROGRAM,
    SINGLE,
    WORTH,
    Given,
    card,
    catalog,
    changed,
    committed,
    funds,
    granted,
    held,
    issued,
    moved,
    noted,
    paid,
    policy,
    program,
    setting,
    settled,
    subscribed,
    template,
    unit,
    used,
)
from creditfold.core.rejections import Code


def told(given: Given) -> str:
    book = setting()
    before = book.snapshot(NOW)
    more = {"at": NOW} | given.more
    code = book.refused(given.kind, given.data, more.pop("at"), **more)
    assert before == book.snapshot(NOW), "a rejection changes nothing"
    assert [] == [r for r in book.out[1:] if r["type"] != "creditfold.ledger.outcome.v1"]
    return code


C = Code
BY_PLAN = {"field": "subscription.plan", "eq": "pro"}
BLENDS = {"blends": ["known"]}
EURO = WORTH | {"currency": "EUR"}
NO_UNIT_GRANT = PROGRAM["grant"] | NO_UNIT
PAIRS = [
    (C.UNKNOWN_TYPE, C.UNKNOWN_FIELD, Given("usage.imagined", {"quantiy": "1"})),
    (C.UNKNOWN_FIELD, C.MISSING_FIELD, Given("usage.recorded", {"quantiy": "1", "meter": "calls"})),
    (C.MISSING_FIELD, C.NUMBER_NOT_EXACT, Given("usage.recorded", {"quantity": 1.5})),
    (C.NUMBER_NOT_EXACT, C.INVALID_VALUE, used({"meter": "", "quantity": 1.5})),
    (C.INVALID_VALUE, C.ID_REUSED, used({"quantity": "one"}, id="taken")),
    (C.ID_REUSED, C.TIME_IN_FUTURE, used({}, at="2026-02-01T00:06:00Z", recorded=NOW, id="taken")),
    (C.ID_REUSED, C.TOO_LATE, used({}, at="2026-01-28T00:00:00Z", recorded=NOW, id="taken")),
    (
        C.TIME_IN_FUTURE,
        C.CUSTOMER_EXISTS,
        Given(
            "customer.created", {"currency": "USD"}, {"at": "2026-02-01T00:06:00Z", "recorded": NOW}
        ),
    ),
    (
        C.TIME_IN_FUTURE,
        C.UNKNOWN_CUSTOMER,
        used({}, at="2026-02-01T00:06:00Z", recorded=NOW, customer="stranger"),
    ),
    (
        C.TIME_IN_FUTURE,
        C.VERSION_NOT_RISING,
        Given(
            "meter.declared",
            {"meter": "gb", "version": 1, "product": "disk"},
            {"customer": None, "at": "2026-02-01T00:06:00Z", "recorded": NOW},
        ),
    ),
    (
        C.TOO_LATE,
        C.UNKNOWN_CUSTOMER,
        used({}, at="2026-01-28T00:00:00Z", recorded=NOW, customer="stranger"),
    ),
    (
        C.TOO_LATE,
        C.BEFORE_CUSTOMER,
        used({}, at="2026-01-28T00:00:00Z", recorded=NOW, customer="euro"),
    ),
    (C.CUSTOMER_EXISTS, C.UNKNOWN_CURRENCY, Given("customer.created", {"currency": "XXX"})),
    (C.UNKNOWN_CUSTOMER, C.UNKNOWN_METER, used(NO_METER, customer="stranger")),
    (
        C.BEFORE_CUSTOMER,
        C.UNKNOWN_METER,
        used(NO_METER, at="2026-01-31T23:00:00Z", recorded=NOW, customer="euro"),
    ),
    (
        C.UNKNOWN_CUSTOMER,
        C.UNKNOWN_USAGE,
        Given(
            "usage.retracted",
            {"usage": {"source": "/tests", "id": "none"}},
            {"customer": "stranger"},
        ),
    ),
    (
        C.UNKNOWN_USAGE,
        C.QUANTITY_NOT_EXACT,
        Given(
            "usage.corrected",
            {"usage": {"source": "/tests", "id": "none"}, "quantity": "0.5"},
        ),
    ),
    (C.VERSION_NOT_RISING, C.EXPONENT_CHANGED, unit(version=1, exponent=3)),
    (C.VERSION_NOT_RISING, C.UNKNOWN_METER, card(NO_METER, rate_card="list")),
    (C.VERSION_NOT_RISING, C.WINDOW_IN_PAST, policy(version=2)),
    (C.UNIT_IS_CURRENCY, C.UNKNOWN_METER, unit(unit="CHF", meter="none")),
    (C.UNIT_IS_CURRENCY, C.RATE_NOT_EXACT, unit(unit="CHF", meter="gb", exponent=1)),
    (C.EXPONENT_CHANGED, C.UNKNOWN_METER, unit(exponent=3, meter="none")),
    (C.EXPONENT_CHANGED, C.RATE_NOT_EXACT, unit(exponent=1, meter="gb")),
    (C.UNKNOWN_METER, C.UNKNOWN_HOLD, settled(meter="none", hold="none")),
    (
        C.UNKNOWN_UNIT,
        C.QUANTITY_OUT_OF_RANGE,
        Given("customer.updated", {"credit_limits": {"USD": HUGE, "none": "1"}}),
    ),
    (
        C.FUNDING_DISAGREES,
        C.UNKNOWN_TOP_UP,
        granted({"tops_up": "none", "funding": {"invoice": "sale", "line": "1"}}),
    ),
    (C.UNKNOWN_UNIT, C.UNKNOWN_BLOCK, granted(NO_UNIT | {"blends": ["none"]})),
    (C.UNKNOWN_BLOCK, C.QUANTITY_NOT_POSITIVE, granted({"quantity": "0", "blends": ["none"]})),
    (C.UNKNOWN_BLOCK, C.BLOCK_EXISTS, granted({"block": "known", "blends": ["none"]})),
    (C.EMPTY_INTERVAL, C.UNIT_DIFFERS, granted({"unit": "credits", "expires_at": NOW} | BLENDS)),
    (C.UNIT_DIFFERS, C.KIND_DIFFERS, granted({"unit": "credits", "kind": "included"} | BLENDS)),
    (C.KIND_DIFFERS, C.CURRENCY_DIFFERS, granted({"kind": "included", "value": EURO} | BLENDS)),
    (C.CURRENCY_DIFFERS, C.UNKNOWN_TOP_UP, granted({"tops_up": "none", "value": EURO} | BLENDS)),
    (C.UNKNOWN_TOP_UP, C.BLOCK_EXPIRED, granted({"tops_up": "none", "blends": ["ended"]})),
    (C.BLOCK_EXPIRED, C.ABOVE_UNUSED, granted({"blends": ["spent", "ended"]})),
    (C.QUANTITY_NOT_EXACT, C.UNKNOWN_HOLD, settled(quantity="1.5", hold="none")),
    (C.QUANTITY_NOT_POSITIVE, C.EMPTY_INTERVAL, held(quantity="0", expires_at=NOW)),
    (C.EMPTY_INTERVAL, C.HOLD_EXISTS, held(hold="open", expires_at=NOW)),
    (C.HOLD_EXISTS, C.NOT_ENOUGH, held(hold="open", quantity="99")),
    (
        C.UNKNOWN_HOLD,
        C.METER_MISSING,
        Given("hold.settled", {"hold": "none", "quantity": "1"}),
    ),
    (C.VERSION_NOT_RISING, C.SUBJECT_CHANGED, program(version=1, who=BY_PLAN)),
    (C.SUBJECT_CHANGED, C.UNKNOWN_UNIT, program(who=BY_PLAN, grant=NO_UNIT_GRANT)),
    (C.SUBJECT_CHANGED, C.EMPTY_INTERVAL, program(who=BY_PLAN, effective_to=NOW)),
    (C.VERSION_NOT_RISING, C.UNKNOWN_UNIT, program(version=1, grant=NO_UNIT_GRANT)),
    (C.VERSION_NOT_RISING, C.EMPTY_INTERVAL, program(version=1, effective_to=NOW)),
    (C.UNKNOWN_UNIT, C.EMPTY_INTERVAL, program(grant=NO_UNIT_GRANT, effective_to=NOW)),
    (C.UNKNOWN_UNIT, C.VALUE_NOT_FREE, template(unit="none", kind="promotional", value=WORTH)),
    (C.UNKNOWN_METER, C.UNKNOWN_UNIT, card(NO_METER | NO_UNIT)),
    (C.UNKNOWN_METER, C.UNKNOWN_UNIT, used(NO_METER | {"amount": NO_UNIT | {"quantity": "1"}})),
    (C.UNKNOWN_METER, C.UNKNOWN_UNIT, card(NO_UNIT, NO_METER)),
    (C.UNKNOWN_METER, C.UNKNOWN_CURRENCY, issued({"currency": "XXX"}, NO_METER)),
    (C.UNKNOWN_METER, C.QUANTITY_NOT_POSITIVE, used(NO_METER | {"quantity": "0"})),
    (C.UNKNOWN_UNIT, C.UNKNOWN_CURRENCY, granted(NO_UNIT | {"value": WORTH | {"currency": "X"}})),
    (C.UNKNOWN_UNIT, C.RATE_NOT_EXACT, card(NO_UNIT | INEXACT)),
    (C.UNKNOWN_UNIT, C.RATE_NOT_EXACT, card(INEXACT, NO_UNIT)),
    (
        C.UNKNOWN_UNIT,
        C.QUANTITY_NOT_POSITIVE,
        used({"quantity": "0", "amount": NO_UNIT | {"quantity": "1"}}),
    ),
    (
        C.UNKNOWN_CURRENCY,
        C.QUANTITY_NOT_POSITIVE,
        granted({"quantity": "0", "value": WORTH | {"currency": "XXX"}}),
    ),
    (C.UNKNOWN_CURRENCY, C.INVOICE_EXISTS, issued({"currency": "XXX", "invoice": "plain"})),
    (C.QUANTITY_NOT_POSITIVE, C.QUANTITY_NOT_EXACT, used({"quantity": "-1.5"})),
    (
        C.QUANTITY_NOT_POSITIVE,
        C.QUANTITY_NOT_EXACT,
        granted({"quantity": "0", "value": WORTH | {"amount": "1.001"}}),
    ),
    (
        C.QUANTITY_NOT_POSITIVE,
        C.QUANTITY_NOT_EXACT,
        used({"quantity": "1.5", "amount": {"unit": "USD", "quantity": "0"}}),
    ),
    (C.QUANTITY_NOT_POSITIVE, C.UNKNOWN_INVOICE, paid("none", "0")),
    (
        C.QUANTITY_NOT_EXACT,
        C.QUANTITY_OUT_OF_RANGE,
        granted({"quantity": HUGE, "value": WORTH | {"amount": "1.001"}}),
    ),
    (
        C.QUANTITY_NOT_EXACT,
        C.QUANTITY_OUT_OF_RANGE,
        granted({"quantity": "0.00000000001", "value": WORTH | {"amount": HUGE}}),
    ),
    (C.QUANTITY_NOT_EXACT, C.QUANTITY_OUT_OF_RANGE, issued({}, {"amount": HUGE, "tax": "0.001"})),
    (
        C.QUANTITY_NOT_EXACT,
        C.DUE_DATE_MISSING,
        issued({"recognition": "on_due"}, {"amount": "1.001"}),
    ),
    (C.QUANTITY_NOT_EXACT, C.INVOICE_EXISTS, issued({"invoice": "plain"}, {"amount": "1.001"})),
    (C.QUANTITY_OUT_OF_RANGE, C.BLOCK_EXISTS, granted({"quantity": HUGE, "block": "known"})),
    (C.QUANTITY_OUT_OF_RANGE, C.PAID_TOO_MUCH, paid("plain", HUGE)),
    (
        C.QUANTITY_NOT_EXACT,
        C.UNKNOWN_SUBSCRIPTION,
        used({"quantity": "1.5", "subscription": "none"}),
    ),
    (
        C.UNKNOWN_BLOCK,
        C.QUANTITY_NOT_POSITIVE,
        changed("credit.adjusted", "none", quantity="0"),
    ),
    (
        C.QUANTITY_OUT_OF_RANGE,
        C.BLOCK_EXPIRED,
        changed("credit.adjusted", "ended", quantity="922337203"),
    ),
    (
        C.QUANTITY_NOT_POSITIVE,
        C.FORFEITURE_NOT_ALLOWED,
        changed("credit.voided", "early", quantity="0"),
    ),
    (
        C.EMPTY_INTERVAL,
        C.BLOCK_EXPIRED,
        changed("credit.expiry_changed", "ended", expires_at="2026-01-01T00:00:00Z"),
    ),
    (
        C.BLOCK_EXPIRED,
        C.EXPIRY_IN_PAST,
        changed("credit.expiry_changed", "ended", expires_at=NOW),
    ),
    (
        C.ABOVE_UNUSED,
        C.FORFEITURE_NOT_ALLOWED,
        changed("credit.voided", "early", quantity="11"),
    ),
    (C.ABOVE_UNUSED, C.NOT_PAID, changed("credit.refunded", "known", quantity="11")),
    (C.UNKNOWN_INVOICE, C.CREDIT_NOTE_EXISTS, noted({"credit_note": "known", "invoice": "none"})),
    (
        C.QUANTITY_NOT_POSITIVE,
        C.CREDIT_NOTE_EXISTS,
        noted({"credit_note": "known"}, {"amount": "0"}),
    ),
    (
        C.UNKNOWN_BLOCK,
        C.QUANTITY_NOT_POSITIVE,
        noted({}, {"amount": "0"}, {"blocks": [{"block": "none"}]}),
    ),
    (
        C.QUANTITY_NOT_EXACT,
        C.INVOICE_EXISTS,
        issued({"invoice": "plain", "balance_applied": "0.001"}),
    ),
    (C.PAID_TOO_MUCH, C.BALANCE_TOO_SMALL, issued({"balance_applied": "13"})),
    (C.ABOVE_UNUSED, C.NOT_PAID, moved(block="known", quantity="11")),
    (C.NOT_PAID, C.TRANSFER_EXISTS, moved(block="known", transfer="known")),
    (C.TRANSFER_EXISTS, C.TRANSFER_TO_SELF, moved(transfer="known", to="c")),
    (C.CREDIT_NOTE_EXISTS, C.UNKNOWN_LINE, noted({"credit_note": "known"}, {"line": "9"})),
    (C.BLOCK_EXISTS, C.EMPTY_INTERVAL, granted({"block": "known", "expires_at": NOW})),
    (C.EMPTY_INTERVAL, C.VALUE_NOT_FREE, granted({"kind": "promotional", "expires_at": NOW})),
    (
        C.VALUE_NOT_FREE,
        C.CURRENCY_DIFFERS,
        granted({"block": "sold", "kind": "promotional", "value": WORTH | {"currency": "EUR"}}),
    ),
    (
        C.CURRENCY_DIFFERS,
        C.SOLD_ABOVE_VALUE,
        granted({"block": "sold", "value": {"amount": "1", "currency": "EUR"}}),
    ),
    (
        C.CURRENCY_DIFFERS,
        C.INVOICE_EXISTS,
        issued({"currency": "EUR", "invoice": "plain"}, {"sells": [{"block": "known"}]}),
    ),
    (
        C.SOLD_ABOVE_VALUE,
        C.FUNDING_DISAGREES,
        granted(
            {
                "block": "sold",
                "value": WORTH | {"amount": "9"},
                "funding": {"invoice": "plain", "line": "9"},
            }
        ),
    ),
    (
        C.SOLD_ABOVE_VALUE,
        C.FUNDING_DISAGREES,
        issued({"invoice": "coming"}, {"amount": "99", "sells": [{"block": "known"}]}),
    ),
    (
        C.FUNDING_DISAGREES,
        C.INVOICE_EXISTS,
        issued({"invoice": "came"}, {"sells": [{"block": "x"}]}),
    ),
    (
        C.FUNDING_DISAGREES,
        C.SALES_NOT_THE_AMOUNT,
        issued({"invoice": "coming"}, {"sells": [{"block": "x", "amount": "9"}]}),
    ),
    (C.INVOICE_EXISTS, C.DUE_DATE_MISSING, issued({"invoice": "plain", "recognition": "on_due"})),
    (C.INVOICE_EXISTS, C.LINE_REPEATED, issued({"invoice": "plain"}, {}, {})),
    (C.DUE_DATE_MISSING, C.LINE_REPEATED, issued({"recognition": "on_due"}, {}, {})),
    (
        C.LINE_REPEATED,
        C.LINE_AMBIGUOUS,
        issued({}, {}, {"sells": [{"block": "x"}], "arrears_for": ["o"]}),
    ),
    (
        C.LINE_REPEATED,
        C.LINE_AMBIGUOUS,
        issued({}, {"sells": [{"block": "x"}], "arrears_for": ["o"]}, {}),
    ),
    (
        C.LINE_AMBIGUOUS,
        C.SALES_NOT_THE_AMOUNT,
        issued({}, {"sells": [{"block": "x", "amount": "9"}, {"block": "x", "amount": "9"}]}),
    ),
    (
        C.SALES_NOT_THE_AMOUNT,
        C.UNKNOWN_OVERAGE,
        issued({}, {"arrears_for": ["o"]}, {"line": "2", "sells": [{"block": "x", "amount": "9"}]}),
    ),
    (C.UNKNOWN_UNIT, C.QUANTITY_NOT_POSITIVE, committed(unit="none", rate="1", quantity="0")),
    (
        C.QUANTITY_NOT_POSITIVE,
        C.QUANTITY_NOT_EXACT,
        committed(quantity="0.00000000001", expected="0"),
    ),
    (
        C.QUANTITY_OUT_OF_RANGE,
        C.SUBSCRIPTION_EXISTS,
        subscribed("started", **PLAN, commitment=COMMITMENT | {"quantity": HUGE}),
    ),
    (
        C.SUBSCRIPTION_EXISTS,
        C.COMMITMENT_EXISTS,
        subscribed("started", **PLAN, commitment=COMMITMENT | {"unit": "coins", "rate": "1"}),
    ),
    (
        C.SALES_NOT_THE_AMOUNT,
        C.FUNDS_NOTHING,
        issued({}, funds("mine"), {"line": "2", "sells": [{"block": "x", "amount": "9"}]}),
    ),
    (
        C.FUNDS_NOTHING,
        C.UNKNOWN_OVERAGE,
        issued({}, {"arrears_for": ["o"]}, {"line": "2"} | funds("mine")),
    ),
    (C.LINE_REPEATED, C.UNKNOWN_OVERAGE, issued({}, {"arrears_for": ["o"]}, {})),
]


@pytest.mark.parametrize(("code", "given"), SINGLE.items(), ids=str)
def test_the_walk_from_the_first_code_to_the_last(code, given):
    assert code == told(given)


@pytest.mark.parametrize(("code", "given"), OTHERS)
def test_every_check_of_a_code_gives_it(code, given):
    assert code == told(given)


@pytest.mark.parametrize(("higher", "lower", "given"), PAIRS)
def test_of_two_faults_the_higher_code_is_told(higher, lower, given):
    order = list(Code)
    assert order.index(higher) < order.index(lower)
    assert higher == told(given)


def test_every_code_is_given_by_a_fact_of_the_walk():
    assert list(Code) == list(SINGLE)


@pytest.mark.parametrize("given", [
    used({}),
    granted({}),
    granted({"block": "sold"}),
    granted(BLENDS),
    granted({"block": "later", "funding": {"invoice": "none", "line": "1"}}),
    issued({}),
    issued({}, {"tax": "1", "meter": "gb", "sells": [{"block": "known"}]}),
    issued({"invoice": "coming"}, {"sells": [{"block": "waits"}]}),
    issued({"recognition": "on_due", "due_at": NOW}),
    paid("plain", "4"),
    changed("credit.voided", "known"),
    noted({}),
    moved(),
    Given("invoice.voided", {"invoice": "plain"}),
    issued({"balance_applied": "10"}),
    changed("credit.adjusted", "known", quantity="1"),
    changed("credit.expiry_changed", "lasting", expires_at="2026-03-01T00:00:00Z"),
    card({}),
    unit(),
    policy(keys={}),
    policy(effective_from=NOW),
    catalog("clock.held", {}),
    committed(),
])  # fmt: skip
def test_the_same_facts_without_a_fault_are_applied(given):
    """Each fact of the walk differs from one of these by its fault alone."""
    book = setting()
    more = {"at": NOW} | given.more
    book.applied(given.kind, given.data, more.pop("at"), **more)


def test_a_rejected_id_is_not_used_up():
    book = setting()
    event = used(NO_METER, id="again")
    assert "unknown_meter" == book.refused(event.kind, event.data, NOW, **event.more)
    book.published("meter.declared", {"meter": "none", "version": 1, "product": "p"})
    book.applied(event.kind, event.data, NOW, **event.more)
    assert "duplicate" == book.feed(event.kind, event.data, NOW, **event.more)["status"]


def test_a_refusal_says_what_to_do_in_a_line_that_fits_the_wire():
    for code, given in SINGLE.items():
        book = setting()
        more = {"at": NOW} | given.more
        outcome = book.feed(given.kind, given.data, more.pop("at"), **more)
        assert code == outcome["code"]
        assert 10 <= len(outcome["detail"]) <= 500, outcome

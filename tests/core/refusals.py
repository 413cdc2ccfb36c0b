"""A book in which everything is known once, and for each rejection code a fact it refuses."""

from __future__ import annotations

from typing import Any, NamedTuple

from core.book import Book
from creditfold.core.rejections import Code
from properties.events import Event

NOW = "2026-02-01T00:00:00Z"
HUGE = "9223372036854775807"
POLICY = {"version": 1, "effective_from": NOW, "author": "a", "reason": "r", "keys": {}}
USAGE = {"meter": "calls", "quantity": "1"}
WORTH = {"amount": "10", "currency": "USD"}
GRANT = {"block": "new", "kind": "paid", "unit": "USD", "quantity": "10", "value": WORTH}
HOLD = {"hold": "new", "unit": "USD", "quantity": "1", "expires_at": "2026-02-02T00:00:00Z"}
LINE = {"line": "1", "amount": "10"}
INVOICE = {"invoice": "new", "currency": "USD", "lines": [LINE]}
CARD = {"rate_card": "card", "version": 1, "effective_from": NOW, "rates": []}
RATE = {"meter": "gb", "unit": "USD", "per_unit": "1"}
PLAN = {"plan": "pro", "period": "month"}
COMMITMENT = {"unit": "USD", "quantity": "10", "term": "year"}
PROGRAM = {
    "program": "known",
    "version": 1,
    "effective_from": NOW,
    "who": {"field": "customer.attributes.tier", "eq": "gold"},
    "grant": {"kind": "included", "unit": "USD", "quantity": "1", "expires": "never"},
}
NO_METER, NO_UNIT = {"meter": "none"}, {"unit": "none"}
INEXACT = {"per_unit": "0.00000001"}


class Given(NamedTuple):
    """A fact; `more` are the arguments of `Book.feed`."""

    kind: str
    data: Event
    more: dict[str, Any] = {}  # noqa: RUF012  # a NamedTuple has no fields shared by its class


def used(data: Event, **more: Any) -> Given:
    """Usage that differs from an acceptable one."""
    return Given("usage.recorded", USAGE | data, more)


def granted(data: Event, **more: Any) -> Given:
    """A grant that differs from an acceptable one."""
    return Given("credit.granted", GRANT | data, more)


def issued(data: Event, *lines: Event) -> Given:
    """An invoice that differs from an acceptable one; lines differ from an acceptable one too."""
    return Given(
        "invoice.issued", INVOICE | data | {"lines": [LINE | each for each in lines or ({},)]}
    )


def funds(program: str, **more: Any) -> Event:
    """A line that funds what a program grants in March."""
    march = {"from": "2026-03-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}
    return {"funds": {"program": program} | march | more}


def paid(invoice: str, amount: str) -> Given:
    """A payment."""
    return Given("invoice.paid", {"invoice": invoice, "amount": amount})


def held(**data: Any) -> Given:
    """A hold that differs from an acceptable one."""
    return Given("hold.placed", HOLD | data)


def settled(**data: Any) -> Given:
    """A settlement that differs from an acceptable one."""
    return Given("hold.settled", {"hold": "open", "quantity": "1", "meter": "calls"} | data)


def limited(unit: str, limit: str) -> Given:
    """A credit limit."""
    return Given("customer.updated", {"credit_limits": {unit: limit}})


def topped_up(unit: str, add: str) -> Given:
    """Top-ups of a unit."""
    return Given("customer.updated", {"top_ups": {unit: {"threshold": "0", "add": add}}})


def changed(kind: str, block: str, **data: Any) -> Given:
    """A change of a block after its grant."""
    reason = {} if kind == "credit.expiry_changed" else {"reason": "r"}
    return Given(kind, {"block": block} | reason | data)


def refunded(invoice: str, amount: str) -> Given:
    """Cash that went back."""
    return Given("payment.refunded", {"invoice": invoice, "amount": amount})


def noted(data: Event, *lines: Event) -> Given:
    """A credit note that differs from an acceptable one; its lines too."""
    note = {"credit_note": "new", "invoice": "plain", "to": "invoice"}
    rows = [{"line": "1", "amount": "1"} | each for each in lines or ({},)]
    return Given("credit_note.issued", note | data | {"lines": rows})


def moved(**data: Any) -> Given:
    """A transfer that differs from an acceptable one."""
    return Given(
        "credit.transferred",
        {"transfer": "new", "block": "early", "quantity": "1", "to": "euro"} | data,
    )


def card(*rates: Event, **data: Any) -> Given:
    """A rate card with rates that differ from an acceptable one."""
    rows = [RATE | rate for rate in rates]
    return Given("rate_card.published", CARD | data | {"rates": rows}, {"customer": None})


def catalog(kind: str, data: Event) -> Given:
    """A catalog fact."""
    return Given(kind, data, {"customer": None})


def unit(**data: Any) -> Given:
    """A declaration of the known unit `credits`, one version up."""
    known = {"unit": "credits", "version": 2, "exponent": 6}
    return catalog("unit.declared", known | data)


def policy(**data: Any) -> Given:
    """A policy with a new window from a date on that is gone."""
    past = {"effective_from": "2026-01-31T00:00:00Z", "keys": {"late.window": "PT1H"}}
    return catalog("policy.published", POLICY | {"version": 9} | past | data)


def program(**data: Any) -> Given:
    """A program that differs from an acceptable one, one version up."""
    return catalog("program.published", PROGRAM | {"version": 2} | data)


def template(**data: Any) -> Given:
    """A program whose blocks differ from acceptable ones."""
    return program(grant=PROGRAM["grant"] | data)


def attached(name: str, **definition: Any) -> Given:
    """A program of the customer's own, or the published one of this name."""
    own = {"grant": PROGRAM["grant"] | definition} if definition else None
    return Given("program.attached", {"program": name, "definition": own})


def by_subscription(name: str) -> Given:
    """A program of the customer's own with the dates of each subscription."""
    own = {"grant": PROGRAM["grant"], "every": "month", "anchor": "subscription"}
    return Given("program.attached", {"program": name, "definition": own})


def subscribed(verb: str, **data: Any) -> Given:
    """A step in the life of the known subscription."""
    return Given(f"subscription.{verb}", {"subscription": "sub"} | data)


def committed(**data: Any) -> Given:
    """A subscription whose commitment differs from an acceptable one."""
    start = {"subscription": "new", "commitment": COMMITMENT | data}
    return subscribed("started", **PLAN | start)


def setting() -> Book:
    """Everything that facts below refer to."""
    book = Book()
    book.published("policy.published", POLICY | {"version": 2})
    book.grant("known", "10", at=NOW)
    book.invoice(LINE | {"sells": [{"block": "sold"}]}, invoice="sale")
    book.invoice({"amount": "4"}, invoice="plain")
    book.grant("waits", "10", funding={"invoice": "coming", "line": "1"})
    book.grant("early", "10", funding={"invoice": "came", "line": "1"})
    book.invoice(LINE, invoice="came")
    book.invoice(
        {"amount": "1", "arrears_for": [{"meter": "gb", "from": NOW, "to": NOW}]}, invoice="arrears"
    )
    book.grant("ended", "1", effective_at="2026-01-01T00:00:00Z", expires_at=NOW)
    book.grant("spent", "1")
    book.applied("credit.voided", {"block": "spent", "reason": "r"})
    book.grant(
        "lasting", "1", effective_at="2026-01-01T00:00:00Z", expires_at="2026-03-01T00:00:00Z"
    )
    coins = COMMITMENT | {"unit": "coins", "rate": "1"}
    book.applied("subscription.started", {"subscription": "sub", "commitment": coins} | PLAN)
    book.applied("subscription.started", {"subscription": "gone"} | PLAN)
    book.applied("subscription.cancelled", {"subscription": "gone"})
    book.published("program.published", PROGRAM)
    mine = PROGRAM["grant"] | {"unit": "coins", "expires": "P1D"}
    book.applied("program.attached", {"program": "mine", "definition": {"grant": mine}})
    book.applied(*moved(transfer="known")[:2])
    for name in ("partly", "closed"):
        book.invoice({"amount": "40"}, invoice=name)
    book.pay("20", invoice="partly")
    back = {"credit_note": "known", "invoice": "partly", "to": "balance"}
    book.applied("credit_note.issued", back | {"lines": [{"line": "1", "amount": "12"}]})
    book.applied("invoice.voided", {"invoice": "closed"})
    book.applied("usage.recorded", USAGE, id="taken")
    book.applied("hold.placed", HOLD | {"hold": "open"})
    book.applied("customer.created", {"currency": "EUR"}, customer="euro")
    return book


SINGLE: dict[Code, Given] = {
    Code.UNKNOWN_TYPE: Given("usage.imagined", USAGE),
    Code.UNKNOWN_FIELD: used({"quantiy": "1"}),
    Code.MISSING_FIELD: Given("usage.recorded", {"meter": "calls"}),
    Code.NUMBER_NOT_EXACT: used({"quantity": 1.5}),
    Code.INVALID_VALUE: used({"quantity": "one"}),
    Code.ID_REUSED: used({"quantity": "2"}, id="taken"),
    Code.TIME_IN_FUTURE: used({}, at="2026-02-01T00:06:00Z", recorded=NOW),
    Code.TOO_LATE: used({}, at="2026-01-28T00:00:00Z", recorded=NOW),
    Code.CUSTOMER_EXISTS: Given("customer.created", {"currency": "USD"}),
    Code.UNKNOWN_CUSTOMER: used({}, customer="stranger"),
    Code.BEFORE_CUSTOMER: used({}, at="2026-01-31T23:00:00Z", recorded=NOW, customer="euro"),
    Code.VERSION_NOT_RISING: catalog(
        "meter.declared", {"meter": "gb", "version": 1, "product": "disk", "exponent": 3}
    ),
    Code.UNIT_IS_CURRENCY: unit(unit="CHF"),
    Code.EXPONENT_CHANGED: unit(exponent=3),
    Code.SUBJECT_CHANGED: program(who={"field": "subscription.plan", "eq": "pro"}),
    Code.UNKNOWN_METER: used(NO_METER),
    Code.UNKNOWN_UNIT: granted(NO_UNIT),
    Code.UNKNOWN_CURRENCY: issued({"currency": "XAU"}),
    Code.RATE_NOT_EXACT: card(INEXACT),
    Code.WINDOW_IN_PAST: policy(),
    Code.UNKNOWN_BLOCK: changed("credit.voided", "none"),
    Code.UNKNOWN_PROGRAM: attached("none"),
    Code.UNKNOWN_USAGE: Given("usage.retracted", {"usage": {"source": "/tests", "id": "none"}}),
    Code.QUANTITY_NOT_POSITIVE: used({"quantity": "0"}),
    Code.QUANTITY_NOT_EXACT: used({"quantity": "1.5"}),
    Code.QUANTITY_OUT_OF_RANGE: granted({"quantity": HUGE}),
    Code.BLOCK_EXISTS: granted({"block": "known"}),
    Code.EMPTY_INTERVAL: granted({"expires_at": NOW}),
    Code.VALUE_NOT_FREE: granted({"kind": "promotional"}),
    Code.UNIT_DIFFERS: granted({"unit": "credits", "blends": ["known"]}),
    Code.KIND_DIFFERS: granted({"kind": "included", "blends": ["known"]}),
    Code.CURRENCY_DIFFERS: granted({"block": "sold", "value": WORTH | {"currency": "EUR"}}),
    Code.SOLD_ABOVE_VALUE: granted({"block": "sold", "value": WORTH | {"amount": "9"}}),
    Code.FUNDING_DISAGREES: granted({"funding": {"invoice": "plain", "line": "9"}}),
    Code.UNKNOWN_TOP_UP: Given("top_up.declined", {"notice": "none"}),
    Code.BLOCK_EXPIRED: changed(
        "credit.expiry_changed", "ended", expires_at="2026-03-01T00:00:00Z"
    ),
    Code.EXPIRY_IN_PAST: changed("credit.expiry_changed", "lasting", expires_at=NOW),
    Code.ABOVE_UNUSED: changed("credit.voided", "known", quantity="10.01"),
    Code.FORFEITURE_NOT_ALLOWED: changed("credit.voided", "early"),
    Code.NOT_PAID: changed("credit.refunded", "known"),
    Code.TRANSFER_EXISTS: moved(transfer="known"),
    Code.TRANSFER_TO_SELF: moved(to="c"),
    Code.UNKNOWN_TRANSFER: Given("transfer.accepted", {"transfer": "none", "from": "euro"}),
    Code.HOLD_EXISTS: held(hold="open"),
    Code.UNKNOWN_HOLD: settled(hold="none"),
    Code.METER_MISSING: Given("hold.settled", {"hold": "open", "quantity": "1"}),
    Code.HELD: held(quantity="30"),
    Code.NOT_ENOUGH: held(quantity="31"),
    Code.SUBSCRIPTION_EXISTS: subscribed("started", **PLAN),
    Code.UNKNOWN_SUBSCRIPTION: subscribed("renewed", subscription="none"),
    Code.SUBSCRIPTION_STATUS: subscribed("paused", subscription="gone"),
    Code.COMMITMENT_EXISTS: committed(unit="coins", rate="1"),
    Code.INVOICE_EXISTS: issued({"invoice": "plain"}),
    Code.UNKNOWN_INVOICE: paid("none", "1"),
    Code.DUE_DATE_MISSING: issued({"recognition": "on_due"}),
    Code.LINE_REPEATED: issued({}, {}, {}),
    Code.LINE_AMBIGUOUS: issued({}, {"sells": [{"block": "x"}], "arrears_for": ["o"]}),
    Code.SALES_NOT_THE_AMOUNT: issued({}, {"sells": [{"block": "x", "amount": "9"}]}),
    Code.FUNDS_NOTHING: issued({}, funds("mine")),
    Code.UNKNOWN_OVERAGE: issued({}, {"arrears_for": ["none"]}),
    Code.PAID_TOO_MUCH: paid("plain", "4.01"),
    Code.INVOICE_PAID: Given("invoice.voided", {"invoice": "partly"}),
    Code.INVOICE_CLOSED: Given("invoice.voided", {"invoice": "closed"}),
    Code.CREDIT_NOTE_EXISTS: noted({"credit_note": "known"}),
    Code.UNKNOWN_LINE: noted({}, {"line": "9"}),
    Code.CREDITED_TOO_MUCH: noted({}, {"amount": "4.01"}),
    Code.BALANCE_TOO_SMALL: issued({"balance_applied": "12.01"}, {"amount": "20"}),
}
"""One fact for each code, in the order of the codes."""

OTHERS: list[tuple[Code, Given]] = [
    (Code.UNKNOWN_BLOCK, moved(block="none")),
    (Code.QUANTITY_NOT_POSITIVE, moved(quantity="0")),
    (Code.ABOVE_UNUSED, moved(quantity="11")),
    (Code.NOT_PAID, moved(block="known")),
    (
        Code.UNKNOWN_TRANSFER,
        Given(
            "transfer.returned",
            {"transfer": "known", "from": "stranger", "code": "x", "detail": "y"},
        ),
    ),
    (Code.UNKNOWN_BLOCK, noted({}, {"blocks": [{"block": "none"}]})),
    (Code.QUANTITY_NOT_POSITIVE, noted({}, {"amount": "0"})),
    (Code.QUANTITY_NOT_POSITIVE, Given("payment.disputed", {"invoice": "plain", "amount": "0"})),
    (Code.QUANTITY_NOT_EXACT, noted({}, {"amount": "0.001"})),
    (Code.QUANTITY_NOT_EXACT, noted({}, {"tax": "0.001"})),
    (Code.QUANTITY_NOT_EXACT, issued({"balance_applied": "0.001"})),
    (
        Code.ABOVE_UNUSED,
        noted({"invoice": "came"}, {"blocks": [{"block": "early", "quantity": "11"}]}),
    ),
    (Code.NOT_PAID, Given("payment.disputed", {"invoice": "plain", "amount": "1"})),
    (Code.UNKNOWN_INVOICE, Given("invoice.voided", {"invoice": "none"})),
    (Code.UNKNOWN_INVOICE, Given("invoice.written_off", {"invoice": "none"})),
    (Code.UNKNOWN_INVOICE, noted({"invoice": "none"})),
    (Code.UNKNOWN_INVOICE, Given("payment.disputed", {"invoice": "none", "amount": "1"})),
    (Code.UNKNOWN_LINE, noted({}, {"blocks": [{"block": "known"}]})),
    (Code.INVOICE_CLOSED, Given("invoice.written_off", {"invoice": "closed"})),
    (Code.CREDITED_TOO_MUCH, noted({}, {"tax": "0.01"})),
    (Code.CREDITED_TOO_MUCH, noted({"to": "balance"})),
    (Code.PAID_TOO_MUCH, Given("invoice.issued", INVOICE | {"balance_applied": "11"})),
    (Code.UNKNOWN_BLOCK, changed("credit.adjusted", "none", quantity="1")),
    (Code.UNKNOWN_BLOCK, changed("credit.refunded", "none")),
    (Code.UNKNOWN_BLOCK, changed("credit.expiry_changed", "none", expires_at=NOW)),
    (Code.UNKNOWN_BLOCK, changed("credit.voided", "sold")),
    (Code.QUANTITY_NOT_POSITIVE, changed("credit.voided", "known", quantity="-1")),
    (Code.QUANTITY_NOT_POSITIVE, changed("credit.adjusted", "known", quantity="0")),
    (Code.QUANTITY_NOT_POSITIVE, refunded("plain", "0")),
    (Code.QUANTITY_NOT_EXACT, changed("credit.refunded", "known", quantity="0.00000000001")),
    (Code.QUANTITY_NOT_EXACT, refunded("plain", "0.001")),
    (Code.QUANTITY_OUT_OF_RANGE, changed("credit.adjusted", "known", quantity="922337203")),
    (
        Code.EMPTY_INTERVAL,
        changed("credit.expiry_changed", "lasting", expires_at="2026-01-01T00:00:00Z"),
    ),
    (Code.BLOCK_EXPIRED, changed("credit.adjusted", "ended", quantity="1")),
    (Code.ABOVE_UNUSED, changed("credit.voided", "ended")),
    (Code.ABOVE_UNUSED, changed("credit.adjusted", "known", quantity="-11")),
    (Code.FORFEITURE_NOT_ALLOWED, changed("credit.adjusted", "known", quantity="-1")),
    (Code.UNKNOWN_INVOICE, refunded("none", "1")),
    (Code.NOT_PAID, refunded("plain", "1")),
    (Code.INVALID_VALUE, held(meter="calls")),
    (Code.INVALID_VALUE, Given("hold.placed", {k: v for k, v in HOLD.items() if k != "unit"})),
    (Code.INVALID_VALUE, held(properties={"size": 1})),
    (Code.INVALID_VALUE, settled(quantity="-1")),
    (Code.TOO_LATE, Given("hold.placed", HOLD, {"at": "2026-01-28T00:00:00Z", "recorded": NOW})),
    (Code.UNKNOWN_UNIT, held(unit="none")),
    (Code.UNKNOWN_METER, settled(meter="none")),
    (Code.UNKNOWN_UNIT, limited("none", "1")),
    (
        Code.UNKNOWN_UNIT,
        Given(
            "customer.created",
            {"currency": "USD", "credit_limits": {"none": "1"}},
            {"customer": "new"},
        ),
    ),
    (Code.QUANTITY_NOT_POSITIVE, held(quantity="0")),
    (Code.QUANTITY_NOT_EXACT, held(quantity="0.00000000001")),
    (Code.QUANTITY_NOT_EXACT, settled(quantity="1.5")),
    (Code.QUANTITY_NOT_EXACT, limited("USD", "0.00000000001")),
    (Code.QUANTITY_OUT_OF_RANGE, limited("USD", HUGE)),
    (Code.EMPTY_INTERVAL, held(expires_at=NOW)),
    (Code.UNKNOWN_HOLD, Given("hold.released", {"hold": "none"})),
    (Code.UNKNOWN_HOLD, settled(hold="none", quantity="0")),
    (Code.UNKNOWN_UNIT, used({"amount": {"unit": "none", "quantity": "1"}})),
    (Code.UNKNOWN_UNIT, card(NO_UNIT)),
    (Code.VERSION_NOT_RISING, program(version=1)),
    (
        Code.VERSION_NOT_RISING,
        catalog("program.ended", {"program": "known", "version": 1, "effective_from": NOW}),
    ),
    (
        Code.UNKNOWN_PROGRAM,
        catalog("program.ended", {"program": "none", "version": 1, "effective_from": NOW}),
    ),
    (Code.UNKNOWN_PROGRAM, Given("program.detached", {"program": "none"})),
    (Code.UNKNOWN_PROGRAM, Given("program.reset", {"program": "known"})),
    (Code.QUANTITY_NOT_EXACT, granted({"rollover": {"quantity": "0.00000000001"}})),
    (Code.QUANTITY_OUT_OF_RANGE, program(rollover={"min_quantity": HUGE})),
    (Code.INVALID_VALUE, granted({"rollover": {"percent": "0"}})),
    (Code.INVALID_VALUE, granted({"rollover": {"expires": "period_end"}})),
    (Code.SUBJECT_CHANGED, program(every="month", anchor="subscription")),
    (Code.SUBJECT_CHANGED, by_subscription("known")),
    (Code.SUBJECT_CHANGED, by_subscription("mine")),
    (Code.UNKNOWN_UNIT, template(unit="none")),
    (Code.UNKNOWN_UNIT, attached("own", unit="none")),
    (Code.UNKNOWN_CURRENCY, template(value=WORTH | {"currency": "XXX"})),
    (Code.QUANTITY_NOT_POSITIVE, template(quantity="0")),
    (Code.QUANTITY_NOT_EXACT, template(value=WORTH | {"amount": "1.001"})),
    (Code.QUANTITY_OUT_OF_RANGE, template(quantity=HUGE)),
    (Code.VALUE_NOT_FREE, template(kind="promotional", value=WORTH)),
    (Code.EMPTY_INTERVAL, program(effective_to=NOW)),
    (
        Code.EMPTY_INTERVAL,
        Given(
            "program.attached",
            {"program": "own", "definition": {"grant": PROGRAM["grant"], "effective_to": NOW}},
        ),
    ),
    (Code.UNKNOWN_SUBSCRIPTION, subscribed("changed", subscription="none")),
    (Code.UNKNOWN_SUBSCRIPTION, used({"subscription": "none"})),
    (Code.UNKNOWN_SUBSCRIPTION, subscribed("resumed", subscription="none")),
    (Code.UNKNOWN_SUBSCRIPTION, subscribed("cancelled", subscription="none")),
    (Code.INVALID_VALUE, committed(unit="credits")),
    (Code.INVALID_VALUE, committed(rate="-1")),
    (Code.INVALID_VALUE, committed(term="PT23H")),
    (Code.INVALID_VALUE, committed(expected="11")),
    (Code.INVALID_VALUE, committed(shortfall="proportional")),
    (Code.INVALID_VALUE, policy(keys={"notice.commitment_progress": [101]})),
    (Code.UNKNOWN_UNIT, committed(unit="none", rate="1")),
    (Code.QUANTITY_NOT_POSITIVE, committed(quantity="0")),
    (Code.QUANTITY_NOT_POSITIVE, committed(expected="0")),
    (Code.QUANTITY_NOT_EXACT, committed(quantity="0.00000000001")),
    (Code.QUANTITY_NOT_EXACT, committed(expected="0.00000000001")),
    (Code.QUANTITY_OUT_OF_RANGE, committed(quantity=HUGE)),
    (Code.QUANTITY_OUT_OF_RANGE, committed(quantity="900000000", rate="900000000")),
    (Code.SUBSCRIPTION_STATUS, subscribed("changed", subscription="gone")),
    (Code.SUBSCRIPTION_STATUS, subscribed("resumed", subscription="gone")),
    (Code.SUBSCRIPTION_STATUS, subscribed("cancelled", subscription="gone")),
    (Code.UNKNOWN_METER, card(NO_METER)),
    (Code.UNKNOWN_METER, unit(unit="other", meter="none")),
    (Code.UNKNOWN_METER, issued({}, {"meter": "none"})),
    (Code.UNKNOWN_PROGRAM, issued({}, funds("none"))),
    (Code.UNKNOWN_SUBSCRIPTION, issued({}, funds("mine", subscription="none"))),
    (Code.LINE_AMBIGUOUS, issued({}, funds("mine", **{"from": NOW}) | {"arrears_for": ["o"]})),
    (Code.INVALID_VALUE, issued({}, funds("mine", to="2026-03-01T00:00:00Z"))),
    (Code.UNKNOWN_CURRENCY, granted({"value": WORTH | {"currency": "XXX"}})),
    (Code.UNKNOWN_CURRENCY, granted({"unit": "credits", "draws_on": "invoice"})),
    (Code.UNKNOWN_CURRENCY, template(unit="credits", draws_on="invoice")),
    (Code.INVALID_VALUE, granted({"kind": "buffer", "draws_on": "invoice"})),
    (Code.INVALID_VALUE, policy(keys={"invoice.credit_before_tax": "yes"})),
    (
        Code.UNKNOWN_CURRENCY,
        Given("customer.created", {"currency": "credits"}, {"customer": "fresh"}),
    ),
    (Code.VERSION_NOT_RISING, unit(version=1)),
    (Code.VERSION_NOT_RISING, card(rate_card="list")),
    (Code.VERSION_NOT_RISING, policy(version=2, keys={})),
    (Code.EXPONENT_CHANGED, unit(meter="calls")),
    (
        Code.EXPONENT_CHANGED,
        catalog("meter.declared", {"meter": "gb", "version": 2, "product": "disk"}),
    ),
    (Code.RATE_NOT_EXACT, unit(unit="other", exponent=2, meter="gb")),
    (Code.QUANTITY_NOT_POSITIVE, used({"quantity": "-1"})),
    (Code.QUANTITY_NOT_POSITIVE, granted({"quantity": "0"})),
    (Code.QUANTITY_NOT_POSITIVE, paid("plain", "0")),
    (Code.QUANTITY_NOT_POSITIVE, used({"amount": {"unit": "USD", "quantity": "0"}})),
    (Code.QUANTITY_NOT_EXACT, granted({"quantity": "0.00000000001"})),
    (Code.QUANTITY_NOT_EXACT, granted({"value": WORTH | {"amount": "1.001"}})),
    (Code.QUANTITY_NOT_EXACT, paid("plain", "1.001")),
    (Code.QUANTITY_NOT_EXACT, issued({}, {"amount": "1.001"})),
    (Code.QUANTITY_NOT_EXACT, issued({}, {"tax": "1.001"})),
    (Code.QUANTITY_NOT_EXACT, issued({}, {"sells": [{"block": "x", "amount": "0.001"}]})),
    (Code.QUANTITY_OUT_OF_RANGE, used({"quantity": HUGE})),
    (Code.QUANTITY_OUT_OF_RANGE, used({"meter": "gb", "quantity": HUGE})),
    (Code.QUANTITY_OUT_OF_RANGE, granted({"value": WORTH | {"amount": HUGE}})),
    (Code.QUANTITY_OUT_OF_RANGE, issued({}, {"amount": HUGE})),
    (Code.QUANTITY_OUT_OF_RANGE, issued({}, {"tax": HUGE})),
    (
        Code.EMPTY_INTERVAL,
        granted({"effective_at": "2026-03-01T00:00:00Z", "expires_at": "2026-02-15T00:00:00Z"}),
    ),
    (Code.CURRENCY_DIFFERS, issued({"currency": "EUR"}, {"sells": [{"block": "known"}]})),
    (Code.CURRENCY_DIFFERS, issued({"currency": "EUR"}, {"sells": [{"block": "sold"}]})),
    (Code.SOLD_ABOVE_VALUE, issued({}, {"amount": "11", "sells": [{"block": "known"}]})),
    (
        Code.SOLD_ABOVE_VALUE,
        granted({"value": WORTH | {"amount": "3"}, "funding": {"invoice": "plain", "line": "1"}}),
    ),
    (Code.FUNDING_DISAGREES, granted({"funding": {"invoice": "sale", "line": "1"}})),
    (Code.FUNDING_DISAGREES, granted({"funding": {"invoice": "coming", "line": "1"}})),
    (Code.FUNDING_DISAGREES, granted({"funding": {"invoice": "arrears", "line": "1"}})),
    (Code.FUNDING_DISAGREES, issued({"invoice": "coming"}, {"sells": [{"block": "x"}]})),
    (Code.FUNDING_DISAGREES, issued({"invoice": "coming"}, {"arrears_for": ["none"]})),
    (Code.UNKNOWN_TOP_UP, granted({"tops_up": "none"})),
    (Code.INVALID_VALUE, granted({"blends": []})),
    (Code.INVALID_VALUE, granted({"blends": ["new"]})),
    (Code.INVALID_VALUE, granted({"blends": ["known", "known"]})),
    (Code.UNKNOWN_BLOCK, granted({"blends": ["known", "none"]})),
    (Code.UNKNOWN_BLOCK, granted({"blends": ["sold"]})),
    (Code.KIND_DIFFERS, granted({"draws_on": "invoice", "blends": ["known"]})),
    (Code.CURRENCY_DIFFERS, granted({"value": WORTH | {"currency": "EUR"}, "blends": ["known"]})),
    (Code.BLOCK_EXPIRED, granted({"blends": ["known", "ended"]})),
    (Code.ABOVE_UNUSED, granted({"blends": ["spent"]})),
    (Code.UNKNOWN_UNIT, topped_up("none", "5")),
    (Code.QUANTITY_NOT_EXACT, topped_up("USD", "0.000000000001")),
    (Code.QUANTITY_OUT_OF_RANGE, topped_up("USD", HUGE)),
    (
        Code.LINE_AMBIGUOUS,
        issued({}, {"sells": [{"block": "x", "amount": "5"}, {"block": "x", "amount": "5"}]}),
    ),
    (Code.SALES_NOT_THE_AMOUNT, issued({}, {"sells": [{"block": "x"}, {"block": "y"}]})),
    (
        Code.SALES_NOT_THE_AMOUNT,
        issued({}, {"sells": [{"block": "x", "amount": "11"}, {"block": "y"}]}),
    ),
]
"""Further ways to each code: every check of the fold is reached."""

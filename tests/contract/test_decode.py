"""Bad data is a fact with a code and a path, in the order of the core's precedence."""

import hashlib

import pytest

from contract.events import GRANT, USAGE, body, fact, full, line, refusal
from creditfold.contract.decode import decode
from creditfold.contract.envelope import read_line
from creditfold.contract.exact_json import parse
from creditfold.contract.topics import INVOICES, event_type
from creditfold.contract.topics import USAGE as USAGE_TOPIC
from creditfold.core.calendar import Every
from creditfold.core.commitment_facts import ShortfallMethod
from creditfold.core.exact import INT64_MAX, Exact
from creditfold.core.facts import (
    CustomerUpdated,
    HoldUse,
    Malformed,
    Period,
    RatedAmount,
    Recognition,
    UsageRecorded,
)
from creditfold.core.invoice_facts import ArrearsRange, Sale
from creditfold.core.policy_facts import IncludedTreatment, LateAfter, PolicyKeys, RatableBasis
from creditfold.core.rejections import Code
from creditfold.core.times import HOUR

INVOICE = event_type("invoice.issued")
POLICY = event_type("policy.published")
CUSTOMER = event_type("customer.created")


def test_a_usage_is_read_whole():
    assert UsageRecorded(
        "llm.output_tokens",
        Exact(1250, 0),
        {"model": "gpt-4o", "region": "eu-west-1", "batch": False, "context": Exact(8192, 0)},
        RatedAmount("USD", Exact(125, 4)),
        HoldUse("H1", final=True),
        "S1",
    ) == body(USAGE, full("usage.recorded"))


def test_an_invoice_is_read_whole():
    found = body(INVOICE, full("invoice.issued"))
    assert Recognition.ON_DUE is found.recognition
    assert (Sale("B1", Exact(60, 0)), Sale("B2")) == found.lines[0].sells
    overage = ("5f70bf18a086007016e948b04aed3b82.o1", "acme:statement:1")
    assert found.lines[1].arrears_for[:2] == overage
    assert isinstance(found.lines[1].arrears_for[2], ArrearsRange)
    month = Period(1_797_292_800_000_000, 1_799_971_200_000_000)
    assert (month, "S1") == (found.lines[3].period, found.subscription)


def test_a_policy_is_read_whole():
    order = ("priority", "expires_at", "free_before_paid", "effective_at", "id")
    keys = PolicyKeys(
        order,
        84 * HOUR,
        Recognition.ON_PAYMENT,
        credit_before_tax=True,
        shortfall_method=ShortfallMethod.PROPORTIONAL,
        commitment_progress=(50, 80),
        statement_every=Every(months=1),
        included_treatment=IncludedTreatment.RATABLE,
        ratable_basis=RatableBasis.MONTHS,
        right_breakage=Exact(5, 2),
        late_after=LateAfter.OVERAGE,
    )
    assert keys == body(POLICY, full("policy.published")).keys


def test_null_removes_an_attribute_and_elsewhere_is_absent():
    data = {"time_zone": None, "attributes": {"a": None, "b": 1}}
    assert CustomerUpdated(None, {"a": None, "b": Exact(1, 0)}) == body(
        event_type("customer.updated"), data
    )


def test_the_fact_carries_its_envelope():
    found = decode(read_line(line(time="2026-11-22T13:00:00+01:00")), 7)
    noon = decode(read_line(line()), 7)
    assert (
        found.source, found.id, found.type, found.customer, found.recorded_at,
    ) == ("tests", "1", USAGE, "acme", 7)  # fmt: skip
    assert (noon.time, noon.content) == (found.time, found.content)
    assert fact(event_type("clock.held"), {}).customer == ""


def test_content_is_the_hash_of_canonical_type_subject_time_and_data():
    text = b'["%b","acme",1795348800000000,{"meter":"m","quantity":1}]' % USAGE.encode()
    assert hashlib.sha256(text).digest() == fact().content


@pytest.mark.parametrize(
    ("same", "left", "right"),
    [
        (True, b'{"meter":"m","quantity":5}', b' {"quantity": 5, "meter": "\\u006d"} '),
        (False, b'{"meter":"m","quantity":5}', b'{"meter":"m","quantity":"5"}'),
        (False, b'{"meter":"m","quantity":"5"}', b'{"meter":"m","quantity":"5.0"}'),
        (False, b'{"meter":"m","quantity":1.5}', b'{"meter":"m","quantity":1.50}'),
        (False, b'{"meter":"m","quantity":1.5}', b'{"meter":"m","quantity":"1.5"}'),
        (False, b'{"meter":"m","quantity":5}', b'{"meter":"m","quantity":5,"amount":null}'),
    ],
)
def test_content_is_what_was_written_but_for_white_space_and_order(same, left, right):
    assert same is (fact(data=left).content == fact(data=right).content)


def test_another_identity_is_not_other_content():
    assert fact().content == fact(id="2", source="x", recordedtime="2026-11-23T00:00:00Z").content
    assert fact().content != fact(subject="b").content
    assert fact().content != fact(time="2026-11-22T12:00:01Z").content


def usage(rest: bytes) -> bytes:
    return b'{"meter":"m","quantity":1,%b}' % rest


@pytest.mark.parametrize(
    ("code", "path", "data"),
    [
        ("missing_field", "meter", b"{}"),
        ("missing_field", "quantity", b'{"meter":"m"}'),
        ("unknown_field", "metre", b'{"metre":"m"}'),
        ("unknown_field", "subscribtion", usage(b'"subscribtion":"s"')),
        ("unknown_field", "amount.currency", usage(b'"amount":{"unit":"USD","currency":1}')),
        ("number_not_exact", "quantity", b'{"meter":"m","quantity":1.5}'),
        ("number_not_exact", "quantity", b'{"meter":"m","quantity":1.0}'),
        ("number_not_exact", "quantity", b'{"meter":"m","quantity":1e400}'),
        ("number_not_exact", "quantity", b'{"meter":"m","quantity":9223372036854775808}'),
        ("number_not_exact", "quantity", b'{"meter":"m","quantity":"9223372036854775808"}'),
        ("number_not_exact", "quantity", b'{"meter":"m","quantity":"0.1000000000000000055"}'),
        ("number_not_exact", "quantity", b'{"meter":1,"quantity":1.5}'),
        ("number_not_exact", "properties.x", usage(b'"properties":{"x":0.1000000000000000055}')),
        ("number_not_exact", "properties.x", usage(b'"properties":{"x":1e400}')),
        ("number_not_exact", "properties.x", usage(b'"properties":{"x":18446744073709551616}')),
        ("invalid_value", "meter", b'{"meter":1,"quantity":1}'),
        ("invalid_value", "meter", b'{"meter":"","quantity":1}'),
        ("invalid_value", "meter", b'{"meter":null,"quantity":1}'),
        ("invalid_value", "meter", b'{"meter":"a\\u0000b","quantity":1}'),
        ("invalid_value", "meter", b'{"meter":"a\\n","quantity":1}'),
        ("invalid_value", "meter", b'{"meter":"' + b"x" * 256 + b'","quantity":1}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":true}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":null}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":"1e3"}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":"+1"}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":"01"}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":" 1"}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":"1\\n"}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":".5"}'),
        ("invalid_value", "quantity", b'{"meter":"m","quantity":"NaN"}'),
        ("invalid_value", "properties", usage(b'"properties":[]')),
        ("invalid_value", "properties.x", usage(b'"properties":{"x":null}')),
        ("invalid_value", "properties.x", usage(b'"properties":{"x":[1]}')),
        ("invalid_value", "properties.x", usage(b'"properties":{"x":"%b"}' % (b"y" * 1025))),
    ],
)
def test_bad_usage_has_its_code(code, path, data):
    assert (code, path) == refusal(USAGE, data)


def test_too_many_properties_are_refused():
    data = {"meter": "m", "quantity": 1, "properties": {str(n): n for n in range(101)}}
    assert refusal(USAGE, data) == ("invalid_value", "properties")


@pytest.mark.parametrize(
    ("code", "path", "noun_verb", "change"),
    [
        ("invalid_value", "kind", "credit.granted", {"kind": "gift"}),
        ("unknown_field", "expire_at", "credit.granted", {"expire_at": "2027-01-01T00:00:00Z"}),
        ("invalid_value", "expires_at", "credit.granted", {"expires_at": "2027-01-01T00:00:00"}),
        ("invalid_value", "expires_at", "credit.granted", {"expires_at": 1}),
        ("invalid_value", "priority", "credit.granted", {"priority": "1"}),
        ("invalid_value", "priority", "credit.granted", {"priority": 2**31}),
        ("invalid_value", "priority", "credit.granted", {"priority": True}),
        ("invalid_value", "value.amount", "credit.granted",
         {"value": {"amount": "-1", "currency": "USD"}}),
        ("missing_field", "value.currency", "credit.granted", {"value": {"amount": "1"}}),
        ("invalid_value", "scope.include", "credit.granted", {"scope": {"include": {}}}),
        ("invalid_value", "scope.exclude.meters", "credit.granted",
         {"scope": {"exclude": {"meters": []}}}),
        ("missing_field", "funding.line", "credit.granted", {"funding": {"invoice": "1"}}),
        ("invalid_value", "lines", "invoice.issued", {"lines": []}),
        ("missing_field", "lines[0].amount", "invoice.issued", {"lines": [{"line": "1"}]}),
        ("invalid_value", "lines[0].amount", "invoice.issued",
         {"lines": [{"line": "1", "amount": -1}]}),
        ("invalid_value", "lines[0].tax", "invoice.issued",
         {"lines": [{"line": "1", "amount": 1, "tax": "-0.01"}]}),
        ("number_not_exact", "lines[0].amount", "invoice.issued",
         {"lines": [{"line": "1", "amount": parse(b"9.99")}]}),
        ("invalid_value", "lines[0].sells[0].amount", "invoice.issued",
         {"lines": [{"line": "1", "amount": 1, "sells": [{"block": "b", "amount": "-1"}]}]}),
        ("missing_field", "lines[0].arrears_for[0].to", "invoice.issued",
         {"lines": [{"line": "1", "amount": 1,
                     "arrears_for": [{"meter": "m", "from": "2026-01-01T00:00:00Z"}]}]}),
        ("invalid_value", "lines[0].arrears_for[0]", "invoice.issued",
         {"lines": [{"line": "1", "amount": 1, "arrears_for": [1]}]}),
        ("invalid_value", "recognition", "invoice.issued", {"recognition": "on_monday"}),
        ("invalid_value", "amount", "invoice.paid", {"amount": "-1"}),
        ("invalid_value", "time_zone", "customer.created", {"time_zone": "Mars/Olympus"}),
        ("invalid_value", "time_zone", "customer.created", {"time_zone": "../../etc/passwd"}),
        ("invalid_value", "version", "unit.declared", {"version": 0}),
        ("invalid_value", "version", "unit.declared", {"version": parse(b"1.0")}),
        ("invalid_value", "exponent", "unit.declared", {"exponent": 13}),
        ("invalid_value", "exponent", "meter.declared", {"exponent": -1}),
        ("unknown_field", "role", "meter.declared", {"role": {"as": "agent"}}),
        ("invalid_value", "rates[0].per_unit", "rate_card.published",
         {"rates": [{"meter": "m", "unit": "USD", "per_unit": "-1"}]}),
        ("unknown_field", "applies_to.plans", "rate_card.published",
         {"applies_to": {"plans": "p"}}),
        ("invalid_value", "applies_to", "rate_card.published", {"applies_to": {}}),
        ("invalid_value", "applies_to", "rate_card.published",
         {"applies_to": {"plan": "p", "customer": "c"}}),
        ("invalid_value", "applies_to.customer", "rate_card.published",
         {"applies_to": {"customer": "e\u0301"}}),
        ("unknown_field", "keys.late.widow", "policy.published",
         {"keys": {"late.widow": "PT1H"}}),
        ("invalid_value", "keys.late.window", "policy.published",
         {"keys": {"late.window": "P46D"}}),
        ("invalid_value", "keys.late.window", "policy.published",
         {"keys": {"late.window": "P1M"}}),
        ("invalid_value", "keys.late.refold_max", "policy.published",
         {"keys": {"late.refold_max": 0}}),
        ("invalid_value", "keys.late.refold_max", "policy.published",
         {"keys": {"late.refold_max": 1_000_001}}),
        ("invalid_value", "keys.draw.order", "policy.published", {"keys": {"draw.order": []}}),
        ("invalid_value", "keys.draw.order", "policy.published",
         {"keys": {"draw.order": "alphabetical"}}),
        ("invalid_value", "keys.draw.order[0]", "policy.published",
         {"keys": {"draw.order": ["age"]}}),
        ("invalid_value", "keys", "policy.published",
         {"keys": {"draw.order": ["priority", "priority"]}}),
        ("invalid_value", "keys", "policy.published",
         {"keys": {"draw.order": ["id", "priority"]}}),
        ("missing_field", "author", "policy.published", {"author": ...}),
        ("unknown_field", "why", "clock.held", {"why": "import"}),
    ],
)  # fmt: skip
def test_bad_data_has_its_code(code, path, noun_verb, change):
    data = {**full(noun_verb), **change}
    data = {name: value for name, value in data.items() if value is not ...}
    assert (code, path) == refusal(event_type(noun_verb), data)


def test_the_gravest_fault_is_named_first():
    data = {"meter": 1, "quantity": parse(b"1.5"), "amount": {"unit": "USD"}, "x": 1}
    order = []
    for repair in ({"x": ...}, {"amount": ...}, {"quantity": "1"}, {"meter": "m"}):
        order.append(refusal(USAGE, data)[0])
        data = {name: value for name, value in (data | repair).items() if value is not ...}
    assert order == ["unknown_field", "missing_field", "number_not_exact", "invalid_value"]
    assert isinstance(body(USAGE, data), UsageRecorded)


@pytest.mark.parametrize(
    "type_",
    [
        "creditfold.usage.reported.v1",
        "creditfold.usage.recorded.v2",
        "x",
        event_type("ledger.outcome"),
        event_type("hold.extended"),
    ],
)
def test_a_type_of_another_release_is_a_refusal_and_no_dead_letter(type_):
    assert Code.UNKNOWN_TYPE is body(type_, {"anything": 1}).code


def test_a_type_on_a_topic_that_does_not_carry_it_is_unknown_there():
    envelope = read_line(line())
    assert isinstance(decode(envelope, 0, USAGE_TOPIC.name).body, UsageRecorded)
    found = decode(envelope, 0, INVOICES.name).body
    assert isinstance(found, Malformed)
    assert (found.code, USAGE_TOPIC.name in found.detail) == (Code.UNKNOWN_TYPE, True)


def test_the_detail_stays_short_however_long_the_fault():
    found = body(USAGE, {"x" * 100_000: 1, "meter": "m", "quantity": 1})
    assert len(found.detail) <= 500


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        (b"0.1", Exact(1, 1)),
        (b"1e-7", Exact(1, 7)),
        (b"1.50E+2", Exact(150, 0)),
        (b"-0.0", Exact(0, 0)),
        (str(INT64_MAX).encode(), Exact(INT64_MAX, 0)),
        (b"0.000000000000000001", Exact(1, 18)),
    ],
)
def test_a_number_in_a_property_is_exact(text, exact):
    assert exact == body(USAGE, usage(b'"properties":{"x":%b}' % text)).properties["x"]


@pytest.mark.parametrize("quantity", ["0", "-1", "-0.5", 0, -1])
def test_the_sign_of_a_quantity_is_for_the_fold_to_judge(quantity):
    assert not isinstance(body(USAGE, {"meter": "m", "quantity": quantity}), Malformed)
    data = {"block": "b", "kind": "paid", "unit": "USD", "quantity": quantity}
    assert not isinstance(body(GRANT, data), Malformed)


def test_a_scope_that_restricts_nothing_is_none():
    assert body(GRANT, full("credit.granted") | {"scope": {}}).scope is None


def test_defaults_are_those_of_the_wire():
    assert body(CUSTOMER, {"currency": "USD"}).time_zone == "UTC"
    assert body(event_type("unit.declared"), {"unit": "u", "version": 1}).exponent == 6
    meter = {"meter": "m", "version": 1, "product": "p"}
    assert body(event_type("meter.declared"), meter).exponent == 0

"""What the machine may meet: a catalog, customers, and strategies for amounts, usage and scopes."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from properties.events import DAY, HOUR, MINUTE, SECOND, START, Event, fact, text

CUSTOMERS = {"ada": "USD", "bo": "JPY", "çelik": "USD"}
"""Customers and their currencies."""

UNITS = ["money", "credits", "tokens"]


def catalog() -> list[tuple[str, Event]]:
    """Three priced meters of three products, one without any price, and two custom units."""
    meters = (("api.calls", "api", 0), ("llm.tokens", "llm", 0), ("gb", "storage", 3))
    rates: list[Event] = [
        {
            "meter": "api.calls",
            "unit": "USD",
            "per_unit": "0.5",
            "where": {"field": "size", "eq": "large"},
        },
        {"meter": "api.calls", "unit": "USD", "per_unit": "0.0333333333"},
        {"meter": "api.calls", "unit": "JPY", "per_unit": "0.7"},
        {"meter": "api.calls", "unit": "credits", "per_unit": "0.25"},
        {"meter": "llm.tokens", "unit": "USD", "per_unit": "0.00012345"},
        {"meter": "llm.tokens", "unit": "credits", "per_unit": "0.001"},
        {"meter": "gb", "unit": "USD", "per_unit": "0.1234567"},
        {"meter": "gb", "unit": "credits", "per_unit": "0.003"},
    ]
    return [
        *(
            ("meter.declared", {"meter": m, "version": 1, "product": p, "exponent": e})
            for m, p, e in (*meters, ("misc.events", "misc", 0))
        ),
        ("unit.declared", {"unit": "credits", "version": 1, "exponent": 6}),
        ("unit.declared", {"unit": "tokens", "version": 1, "exponent": 0, "meter": "llm.tokens"}),
        (
            "rate_card.published",
            {
                "rate_card": "list",
                "version": 1,
                "effective_from": text(START - 30 * DAY),
                "rates": rates,
            },
        ),
    ]


def setting() -> list[Event]:
    """The catalog as facts."""
    return [
        fact(kind, data, id=f"catalog-{n}", at=START) for n, (kind, data) in enumerate(catalog())
    ]


pauses = st.sampled_from([0, SECOND, MINUTE, HOUR, DAY, 3 * DAY, 5 * DAY])
kinds = st.sampled_from(["paid", "paid", "promotional", "goodwill", "sla", "included", "buffer"])
holds = st.sampled_from(["h0", "h1", "h2"])
hold_uses = st.fixed_dictionaries({"hold": holds}, optional={"final": st.booleans()})
quantities = st.sampled_from(["1", "3", "7", "50", "100", "1000", "10000"])
amounts = st.sampled_from(["0", "1", "3", "7.01", "9.99", "10", "33.33", "100"])

_properties = st.sampled_from([{}, {"size": "large"}, {"size": "small", "region": "eu"}])
_side = st.fixed_dictionaries(
    {},
    optional={
        "products": st.sampled_from([["api"], ["llm", "storage"]]),
        "meters": st.sampled_from([["api.calls"], ["gb", "llm.tokens"]]),
        "where": st.sampled_from(
            [
                {"field": "size", "eq": "large"},
                {"field": "region", "exists": True},
                {"not": {"field": "size", "in": ["small", "tiny"]}},
            ]
        ),
    },
)
scopes: st.SearchStrategy[Any] = st.none() | st.fixed_dictionaries(
    {}, optional={"include": _side.filter(bool), "exclude": _side.filter(bool)}
)


@st.composite
def _usages(draw: st.DrawFn) -> Event:
    meter = draw(st.sampled_from(["api.calls", "api.calls", "llm.tokens", "gb", "misc.events"]))
    usage: Event = {"meter": meter, "quantity": draw(quantities)}
    if meter == "gb":
        usage["quantity"] = draw(st.sampled_from(["0.001", "1.5", "20", "333.333"]))
    if properties := draw(_properties):
        usage["properties"] = properties
    if draw(st.integers(0, 5)) == 0:
        unit = draw(st.sampled_from(["money", "credits"]))
        quantity = draw(st.sampled_from(["0.000001", "1.5", "12", "40.25"]))
        usage["amount"] = {"unit": unit, "quantity": quantity}
    return usage


usages = _usages()

policy_keys = st.sampled_from(
    [
        {"draw.order": ["paid_before_free", "larger_first"]},
        {"draw.order": ["granted_at", "id"]},
        {"draw.order": ["lower_cost_first", "scoped_first", "smaller_first"]},
        {"invoice.recognition": "on_payment"},
        {"invoice.recognition": "on_issue"},
        {"draw.order": ["kind", "expires_at"]},
        {"overage.default": "carry"},
        {"overage.default": "block"},
        {"sla.treatment": "net"},
        {"sla.expiry": "breakage"},
        {"sla.treatment": "accrue_on_grant", "sla.expiry": "reverse_contra"},
        {"goodwill.treatment": "net"},
        {"revoke.forfeit": "allow"},
        {"void.used_portion": "concede"},
        {"invoice.credit_before_tax": True},
        {"invoice.credit_before_tax": False},
        {"chargeback.treatment": "concession"},
        {"correction.expired_block": "reopen"},
    ]
)

spoilings = st.sampled_from(
    [
        "unknown field",
        "missing field",
        "unknown type",
        "zero",
        "negative",
        "too many digits",
        "not a number",
        "a float",
        "unknown meter",
        "future",
        "unknown unit",
    ]
)


def spoil(how: str, event: Event, now: int) -> tuple[Event, str | None]:
    """A usage with one defect, and its code where the model does not know it."""
    data: Event = {"meter": "api.calls", "quantity": "5"}
    code = None
    match how:
        case "unknown field":
            data["quantiy"], code = "5", "unknown_field"
        case "missing field":
            del data["quantity"]
            code = "missing_field"
        case "unknown type":
            event = event | {"type": "creditfold.usage.imagined.v1"}
            code = "unknown_type"
        case "zero":
            data["quantity"] = "0"
        case "negative":
            data["quantity"] = "-3"
        case "too many digits":
            data["quantity"] = "1.5"
        case "not a number":
            data["quantity"], code = "1e3", "invalid_value"
        case "a float":
            data["quantity"], code = 1.5, "number_not_exact"
        case "unknown meter":
            data["meter"] = "no.such"
        case "future":
            event = event | {"time": text(now + 5 * MINUTE + 1)}
        case "unknown unit":
            data["amount"] = {"unit": "florins", "quantity": "1"}
    return event | {"data": data}, code

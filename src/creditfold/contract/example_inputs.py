"""Examples of each input's data: all that there is, the least that is taken, and others."""

from __future__ import annotations

from typing import Any

from creditfold.contract.example_changes import CHANGES, WHERE

CUSTOMER = "acme"
NOON = "2026-11-22T12:00:00Z"

INPUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **CHANGES,
    "usage.recorded": (
        {
            "meter": "llm.output_tokens",
            "quantity": "1250",
            "properties": {
                "model": "gpt-4o",
                "region": "eu-west-1",
                "batch": False,
                "context": 8192,
            },
            "amount": {"unit": "USD", "quantity": "0.0125"},
            "hold": {"hold": "H1", "final": True},
            "subscription": "S1",
        },
        {"meter": "llm.output_tokens", "quantity": 1250},
    ),
    "usage.corrected": (
        {
            "usage": {"source": "/gateway", "id": "req-7"},
            "quantity": "900",
            "reason": "a retry was counted twice",
        },
        {"usage": {"source": "/gateway", "id": "req-7"}, "quantity": 0},
    ),
    "usage.retracted": (
        {"usage": {"source": "/gateway", "id": "req-7"}, "reason": "a test run"},
        {"usage": {"source": "/gateway", "id": "req-7"}},
    ),
    "invoice.issued": (
        {
            "invoice": "INV-1",
            "currency": "USD",
            "due_at": "2026-12-22T00:00:00Z",
            "recognition": "on_due",
            "balance_applied": "5.00",
            "lines": [
                {
                    "line": "1",
                    "product": "llm",
                    "meter": "llm.output_tokens",
                    "amount": "100.00",
                    "tax": "20.00",
                    "sells": [{"block": "B1", "amount": "60.00"}, {"block": "B2"}],
                },
                {
                    "line": "2",
                    "amount": "1.25",
                    "arrears_for": [
                        "5f70bf18a086007016e948b04aed3b82.o1",
                        "acme:statement:1",
                        {
                            "meter": "llm.output_tokens",
                            "from": "2026-10-01T00:00:00Z",
                            "to": "2026-11-01T00:00:00Z",
                        },
                    ],
                },
                {
                    "line": "3",
                    "amount": "1000.00",
                    "funds": {
                        "program": "pro-monthly",
                        "subscription": "S1",
                        "from": "2026-12-01T00:00:00Z",
                        "to": "2027-12-01T00:00:00Z",
                    },
                },
                {
                    "line": "4",
                    "amount": "31.00",
                    "period": {"from": "2026-12-15T00:00:00Z", "to": "2027-01-15T00:00:00Z"},
                },
            ],
            "subscription": "S1",
        },
        {"invoice": "INV-2", "currency": "USD", "lines": [{"line": "1", "amount": 100}]},
    ),
    "invoice.paid": (
        {"invoice": "INV-1", "amount": "121.25"},
        {"invoice": "INV-2", "amount": 100},
    ),
    "customer.created": (
        {
            "currency": "USD",
            "time_zone": "Europe/Zurich",
            "attributes": {"segment": "enterprise", "seats": 250, "discount": 0.1, "beta": True},
            "credit_limits": {"USD": "100"},
            "overage": {"credits": "carry", "default": "bill"},
            "top_ups": {
                "credits": {
                    "threshold": "50",
                    "add": "10",
                    "min": "20",
                    "max": "1000",
                    "cooldown": "P1D",
                },
                "USD": {"threshold": "5", "target": "25"},
            },
        },
        {"currency": "USD"},
    ),
    "customer.updated": (
        {
            "time_zone": "America/New_York",
            "attributes": {"seats": 300, "beta": None},
            "credit_limits": {"USD": None, "credits": 50},
            "overage": {"credits": None, "default": "block"},
            "top_ups": {"USD": None, "credits": {"threshold": "5", "target": 50}},
        },
        {"attributes": {"seats": 300}},
    ),
    "credit.granted": (
        {
            "block": "B1",
            "kind": "paid",
            "unit": "credits",
            "quantity": "1000.5",
            "value": {"amount": "60.00", "currency": "USD"},
            "effective_at": "2026-12-01T00:00:00+01:00",
            "expires_at": "2027-12-01T00:00:00+01:00",
            "priority": 10,
            "scope": {
                "include": {"products": ["llm"], "where": WHERE},
                "exclude": {"meters": ["llm.fine_tuning"]},
            },
            "funding": {"invoice": "INV-1", "line": "1"},
            "rollover": {
                "quantity": "200",
                "percent": "50",
                "min_quantity": "10",
                "times": 2,
                "expires": "P1M",
                "priority": 5,
            },
            "tops_up": "5f70bf18a086007016e948b04aed3b82.n1",
            "blends": ["B-1", "B-2"],
            "draws_on": "usage",
            "usable": "when_funded",
            "reason": "order 4711",
        },
        {"block": "B2", "kind": "promotional", "unit": "USD", "quantity": 5},
    ),
    "top_up.declined": (
        {"notice": "5f70bf18a086007016e948b04aed3b82.n1", "retry_after": "PT1H"},
        {"notice": "5f70bf18a086007016e948b04aed3b82.n1"},
    ),
    "hold.placed": (
        {
            "hold": "H1",
            "meter": "llm.output_tokens",
            "properties": {"model": "gpt-4o"},
            "quantity": "2000",
            "expires_at": "2026-11-22T12:10:00Z",
        },
        {"hold": "H2", "unit": "USD", "quantity": 5, "expires_at": "2026-11-22T12:10:00Z"},
    ),
    "hold.settled": (
        {
            "hold": "H1",
            "quantity": "1250",
            "meter": "llm.output_tokens",
            "properties": {"model": "gpt-4o-mini"},
        },
        {"hold": "H1", "quantity": 0},
    ),
    "hold.released": ({"hold": "H1"}, {"hold": "H1"}),
    "program.published": (
        {
            "program": "pro-monthly",
            "version": 3,
            "effective_from": "2026-12-01T00:00:00Z",
            "effective_to": "2028-01-01T00:00:00Z",
            "who": {
                "all": [
                    {"field": "subscription.plan", "in": ["pro", "team"]},
                    {"not": {"field": "customer.attributes.segment", "eq": "internal"}},
                    {"field": "subscription.products", "eq": "llm"},
                ]
            },
            "grant": {
                "kind": "included",
                "unit": "credits",
                "quantity": "1000",
                "value": {"amount": "10.00", "currency": "USD"},
                "expires": "period_end",
                "priority": 5,
                "scope": {"include": {"products": ["llm"]}},
                "draws_on": "usage",
                "usable": "when_funded",
                "reason": "part of the plan",
            },
            "every": "month",
            "anchor": "subscription",
            "proration": {"first": "by_second", "last": "by_second"},
            "rollover": {"percent": "50", "times": 2, "expires": "period_end"},
            "reset": {"overage": "keep"},
            "overage": "carry",
            "trial": "after",
        },
        {
            "program": "welcome",
            "version": 1,
            "effective_from": NOON,
            "who": {"field": "customer.id", "exists": True},
            "grant": {
                "kind": "promotional",
                "unit": "USD",
                "quantity": "10",
                "expires": "P3M",
            },
        },
    ),
    "program.ended": (
        {"program": "welcome", "version": 2, "effective_from": "2027-06-01T00:00:00Z"},
        {"program": "pro-monthly", "version": 4, "effective_from": NOON},
    ),
    "program.attached": (
        {
            "program": "vip",
            "definition": {
                "effective_from": "2026-12-01T00:00:00Z",
                "effective_to": "2027-12-01T00:00:00Z",
                "grant": {
                    "kind": "goodwill",
                    "unit": "credits",
                    "quantity": "200",
                    "expires": "2028-01-01T00:00:00Z",
                },
                "every": "P2W",
                "anchor": "2026-01-31T09:00[Europe/Zurich]",
            },
        },
        {"program": "pro-monthly"},
    ),
    "program.reset": (
        {"program": "pro-monthly", "subscription": "S1"},
        {"program": "pro-monthly"},
    ),
    "program.detached": ({"program": "vip"}, {"program": "pro-monthly"}),
    "subscription.started": (
        {
            "subscription": "S1",
            "plan": "pro",
            "period": "P1M",
            "anchor": "2026-12-31T00:00:00+01:00",
            "trial_until": "2026-12-31T00:00:00+01:00",
            "attributes": {"seats": 12},
            "commitment": {
                "unit": "credits",
                "quantity": "12000",
                "term": "year",
                "rate": "0.01",
                "expected": "10000",
                "shortfall": "proportional",
            },
            "products": ["llm", "search"],
        },
        {"subscription": "S2", "plan": "free", "period": "year"},
    ),
    "subscription.changed": (
        {
            "subscription": "S1",
            "plan": "team",
            "period": "quarter",
            "anchor": NOON,
            "trial_until": NOON,
            "attributes": {"seats": 40, "trial": None},
            "commitment": {"unit": "USD", "quantity": "18000", "term": "year"},
            "products": ["llm"],
            "at_period_end": True,
        },
        {"subscription": "S1", "plan": "team"},
    ),
    "subscription.renewed": ({"subscription": "S1"}, {"subscription": "S2"}),
    "subscription.paused": ({"subscription": "S1", "at_period_end": True}, {"subscription": "S1"}),
    "subscription.resumed": ({"subscription": "S1"}, {"subscription": "S2"}),
    "subscription.cancelled": (
        {"subscription": "S1", "at_period_end": True},
        {"subscription": "S2"},
    ),
    "unit.declared": (
        {
            "unit": "tokens",
            "version": 2,
            "exponent": 0,
            "name": "Output tokens",
            "meter": "llm.output_tokens",
        },
        {"unit": "credits", "version": 1},
    ),
    "meter.declared": (
        {
            "meter": "storage.gb_hours",
            "version": 1,
            "product": "storage",
            "exponent": 3,
            "unit_label": "GB hours",
        },
        {"meter": "llm.output_tokens", "version": 1, "product": "llm"},
    ),
    "rate_card.published": (
        {
            "rate_card": "acme-2026",
            "version": 3,
            "effective_from": "2026-11-01T00:00:00Z",
            "applies_to": {"customer": CUSTOMER},
            "rates": [
                {
                    "meter": "llm.output_tokens",
                    "unit": "USD",
                    "per_unit": "0.00001",
                    "where": WHERE,
                },
                {"meter": "llm.output_tokens", "unit": "credits", "per_unit": "0.001"},
            ],
        },
        {
            "rate_card": "default",
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "rates": [{"meter": "llm.output_tokens", "unit": "USD", "per_unit": "0.00002"}],
        },
    ),
    "policy.published": (
        {
            "version": 2,
            "effective_from": "2027-01-01T00:00:00Z",
            "keys": {
                "draw.order": ["priority", "expires_at", "free_before_paid", "effective_at", "id"],
                "late.window": "P3DT12H",
                "late.after": "overage",
                "invoice.recognition": "on_payment",
                "invoice.credit_before_tax": True,
                "shortfall.method": "proportional",
                "notice.commitment_progress": [50, 80],
                "statement.every": "month",
                "included.treatment": "ratable",
                "ratable.basis": "months",
                "breakage.rate": {"material_right": "0.05"},
            },
            "author": "ada@example.com",
            "approver": "grace@example.com",
            "evidence": "https://example.com/memo/17",
            "reason": "self-serve top-ups are cancellable until they are paid",
        },
        {
            "version": 1,
            "effective_from": "2026-01-01T00:00:00Z",
            "keys": {"draw.order": "stripe", "late.window": "PT72H"},
            "author": "ada@example.com",
            "reason": "first policy",
        },
    ),
    "clock.held": ({}, {}),
    "clock.released": ({}, {}),
}

OTHERS: dict[str, dict[str, dict[str, Any]]] = {
    "rate_card.published": {
        "of_a_plan": {
            "rate_card": "pro-2026",
            "version": 1,
            "effective_from": "2026-11-01T00:00:00Z",
            "applies_to": {"plan": "pro"},
            "rates": [{"meter": "llm.output_tokens", "unit": "USD", "per_unit": "0.000015"}],
        },
    },
    "credit.granted": {
        "compensation": {
            "block": "B3",
            "kind": "sla",
            "unit": "USD",
            "quantity": "50",
            "value": {"amount": "50", "currency": "USD"},
            "failed_period": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
        },
        "for_invoices": {
            "block": "B4",
            "kind": "promotional",
            "unit": "USD",
            "quantity": "50",
            "draws_on": "invoice",
            "scope": {"include": {"products": ["llm"]}},
        },
    },
}
"""What one full example cannot show at once, by type and name."""

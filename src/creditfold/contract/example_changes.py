"""Examples of what happens to credit, invoices and payments after the fact."""

from __future__ import annotations

from typing import Any

WHERE = {
    "all": [
        {"field": "model", "in": ["gpt-4", "gpt-4o"]},
        {"any": [{"field": "region", "prefix": "eu-"}, {"field": "batch", "eq": True}]},
        {"not": {"field": "context", "gt": 128000}},
    ]
}

CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "credit.voided": (
        {"block": "B2", "quantity": "1.5", "reason": "granted by mistake"},
        {"block": "B2", "reason": "fraud"},
    ),
    "credit.adjusted": (
        {"block": "B1", "quantity": "-0.5", "reason": "order 4711 was for 1000"},
        {"block": "B1", "quantity": 100, "reason": "order 4712"},
    ),
    "credit.refunded": (
        {"block": "B1", "quantity": "500", "reason": "half of the seats are gone"},
        {"block": "B1", "reason": "cancelled"},
    ),
    "credit.expiry_changed": (
        {"block": "B1", "expires_at": "2028-12-01T00:00:00+01:00"},
        {"block": "B2", "expires_at": "2028-01-01T00:00:00Z"},
    ),
    "credit.transferred": (
        {"transfer": "T1", "block": "B1", "quantity": "250", "to": "acme-labs"},
        {"transfer": "T2", "block": "B2", "quantity": 5, "to": "acme-labs"},
    ),
    "transfer.offered": (
        {
            "transfer": "T1",
            "from": "acme-holding",
            "block": "B1",
            "kind": "sla",
            "unit": "credits",
            "quantity": "250",
            "value": {"amount": "15.00", "currency": "USD"},
            "effective_at": "2026-12-01T00:00:00Z",
            "expires_at": "2027-12-01T00:00:00Z",
            "priority": 10,
            "scope": {"include": {"products": ["llm"], "where": WHERE}},
            "failed_period": {"from": "2026-10-01T00:00:00Z", "to": "2026-11-01T00:00:00Z"},
            "lapses_to": "4910",
            "draws_on": "usage",
            "rollover": {"percent": "50", "times": 2, "expires": "period_end", "priority": 20},
            "periods": {
                "anchor": "2026-01-31T09:00:00.5",
                "every": "P1M",
                "zone": "Europe/Zurich",
            },
        },
        {
            "transfer": "T2",
            "from": "acme-holding",
            "block": "B2",
            "kind": "promotional",
            "unit": "USD",
            "quantity": 5,
            "value": {"amount": "0", "currency": "USD"},
            "effective_at": "2026-12-01T00:00:00Z",
        },
    ),
    "transfer.accepted": (
        {"transfer": "T1", "from": "acme-labs"},
        {"transfer": "T2", "from": "acme-labs"},
    ),
    "transfer.returned": (
        {
            "transfer": "T1",
            "from": "acme-labs",
            "code": "unknown_customer",
            "detail": "customer acme-labs is not known",
        },
        {"transfer": "T2", "from": "acme-labs", "code": "block_exists", "detail": ""},
    ),
    "payment.refunded": (
        {"invoice": "INV-1", "amount": "36.00", "blocks": ["B1"], "reason": "cancelled"},
        {"invoice": "INV-1", "amount": "36.00"},
    ),
    "payment.disputed": (
        {"invoice": "INV-1", "amount": "36.00", "blocks": ["B1"], "reason": "fraud"},
        {"invoice": "INV-1", "amount": "36.00"},
    ),
    "invoice.voided": (
        {"invoice": "INV-1", "used_portion": "concede", "reason": "wrong customer"},
        {"invoice": "INV-1"},
    ),
    "invoice.written_off": (
        {"invoice": "INV-1", "used_portion": "concede", "reason": "insolvent"},
        {"invoice": "INV-1"},
    ),
    "credit_note.issued": (
        {
            "credit_note": "CN-1",
            "invoice": "INV-1",
            "lines": [
                {
                    "line": "1",
                    "amount": "30.00",
                    "tax": "6.00",
                    "blocks": [{"block": "B1", "quantity": "500"}, {"block": "B2"}],
                }
            ],
            "to": "balance",
        },
        {
            "credit_note": "CN-2",
            "invoice": "INV-1",
            "lines": [{"line": "1", "amount": 1}],
            "to": "invoice",
        },
    ),
}

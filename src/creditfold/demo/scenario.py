"""The demo's facts as structured events: pure, so that anyone can recount them by other means.

Two hundred customers on five plans, told apart by their number. Sizes grow with the trace, so
that its first minutes show the same as the whole hour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from creditfold.contract.topics import event_type
from creditfold.core.exact import decimal, half_even
from creditfold.core.times import DAY, MINUTE, SECOND, rfc3339
from creditfold.demo.plans import PLANS, Plan, plan_of
from creditfold.demo.trace import CUSTOMERS, Request, customer

Event: TypeAlias = dict[str, Any]

INPUT = "llm.input_tokens"
OUTPUT = "llm.output_tokens"
CREDIT = "llm-credits"
SOURCE = "demo"
USAGE_SOURCE = "azure-llm-conv-2023"

USD_RATE_E5 = {INPUT: 6, OUTPUT: 12}
"""Price of a token in 1/100,000 USD: 60 and 120 USD a million."""

TAX_PERCENT = 20
_SLICE_ROWS = 1_500
_RETRIED_ROWS = 300
"""Every so many requests a producer has no answer and sends an event again."""


def facts(requests: Sequence[Request]) -> Iterator[Event]:
    """All facts in the order of their time, which is their record time too."""
    scenario = _Scenario(requests)
    planned = [*scenario.planned(), *_usage(requests), *scenario.mistakes()]
    planned.sort(key=lambda fact: fact[0])
    for recorded, event in planned:
        text = rfc3339(recorded)
        yield {"specversion": "1.0", "time": text, **event, "recordedtime": text}


_Fact: TypeAlias = tuple[int, Event]


def _usage(requests: Sequence[Request]) -> Iterator[_Fact]:
    for row, request in enumerate(requests):
        for suffix, meter, tokens in (
            ("in", INPUT, request.input_tokens),
            ("out", OUTPUT, request.output_tokens),
        ):
            event = {
                "id": f"az-{row}-{suffix}",
                "source": USAGE_SOURCE,
                "type": event_type("usage.recorded"),
                "subject": customer(row),
                "data": {"meter": meter, "quantity": tokens},
            }
            yield request.time, event
            if suffix == "in" and row % _RETRIED_ROWS == _RETRIED_ROWS - 1:
                yield request.time + 2 * SECOND, {**event, "time": rfc3339(request.time)}


def _cents(minor: int) -> str:
    return decimal(minor, 2)


class _Line(NamedTuple):
    """An invoice line over `amount` cents without tax."""

    line: str
    amount: int
    what: Event

    @property
    def tax(self) -> int:
        return half_even(self.amount * TAX_PERCENT, 100)

    @property
    def gross(self) -> int:
        return self.amount + self.tax

    @property
    def data(self) -> Event:
        amounts = {"amount": _cents(self.amount), "tax": _cents(self.tax)}
        return {"line": self.line, **amounts, **self.what}


class _Scenario:
    """What is made up around a trace: all times lie before, within or just after it."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self._requests = requests
        self._begin = requests[0].time
        self._end = requests[-1].time
        self._number = 0

    def planned(self) -> Iterator[_Fact]:
        yield from self._catalog()
        for number in range(CUSTOMERS):
            yield from self._customer(number, plan_of(number))
        yield from self._arrears()

    def _at(self, percent: int) -> int:
        """An instant within the trace."""
        return self._begin + (self._end - self._begin) * percent // 100

    def _sized(self, amount: int) -> int:
        """An amount for the bundled slice, in proportion to this trace."""
        return max(1, amount * len(self._requests) // _SLICE_ROWS)

    def _fact(self, time: int, what: str, data: Event, subject: str | None = None) -> _Fact:
        self._number += 1
        event: Event = {
            "id": f"demo-{self._number:04d}",
            "source": SOURCE,
            "type": event_type(what),
            "data": data,
        }
        if subject is not None:
            event["subject"] = subject
        return time, event

    def _catalog(self) -> Iterator[_Fact]:
        start = self._begin - 15 * MINUTE
        yield self._fact(start, "clock.held", {})
        yield self._fact(start, "unit.declared", {"unit": CREDIT, "version": 1, "exponent": 6})
        for meter in (INPUT, OUTPUT):
            yield self._fact(
                start,
                "meter.declared",
                {"meter": meter, "version": 1, "product": "llm", "unit_label": "token"},
            )
        rates = [
            {"meter": meter, "unit": unit, "per_unit": decimal(rate, decimals)}
            for meter, rate in USD_RATE_E5.items()
            for unit, decimals in (("USD", 5), (CREDIT, 3))
        ]
        card = {"rate_card": "list", "version": 1, "effective_from": rfc3339(start), "rates": rates}
        yield self._fact(start, "rate_card.published", card)

    def _customer(self, number: int, plan: Plan) -> Iterator[_Fact]:
        id_ = f"c-{number:03d}"
        start = self._begin - 10 * MINUTE + number * SECOND // 10
        account = {"currency": "USD", "attributes": {"plan": plan.name}}
        yield self._fact(start, "customer.created", account, id_)
        if plan.promotional:
            grant = {
                "block": f"welcome-{number:03d}",
                "kind": "promotional",
                "unit": CREDIT,
                "quantity": self._sized(plan.promotional),
                "reason": "welcome credit",
                "expires_at": rfc3339(self._limit(plan.promotional_until)),
            }
            yield self._fact(start + MINUTE, "credit.granted", grant, id_)
        if plan.sales:
            yield from self._sales(number, plan, id_, start + 2 * MINUTE)

    def _limit(self, percent: int | None) -> int:
        return self._begin + 365 * DAY if percent is None else self._at(percent)

    def _sales(self, number: int, plan: Plan, id_: str, time: int) -> Iterator[_Fact]:
        lines: list[_Line] = []
        if plan.fee:
            lines.append(_Line("fee", plan.fee, {"product": "platform"}))
        for sale in plan.sales:
            block = f"{sale.name}-{number:03d}"
            quantity = self._sized(sale.quantity)
            price = half_even(quantity * sale.price_percent, 100)
            lines.append(_Line(sale.name, price, {"sells": [{"block": block}]}))
            grant = {
                "block": block,
                "kind": "paid",
                "unit": "USD",
                "quantity": _cents(quantity),
                "value": {"amount": _cents(price), "currency": "USD"},
                "effective_at": rfc3339(time if sale.begins is None else self._at(sale.begins)),
                "expires_at": rfc3339(self._limit(sale.ends)),
            }
            yield self._fact(time, "credit.granted", grant, id_)
        invoice = f"inv-{number:03d}"
        issued = {
            "invoice": invoice,
            "currency": "USD",
            "recognition": plan.recognition,
            "lines": [line.data for line in lines],
        }
        yield self._fact(time, "invoice.issued", issued, id_)
        paid_at = plan.paid_at(number)
        if paid_at is not None:
            when = self._at(paid_at) if paid_at else time + MINUTE
            paid = {"invoice": invoice, "amount": _cents(sum(line.gross for line in lines))}
            yield self._fact(when, "invoice.paid", paid, id_)

    def mistakes(self) -> Iterator[_Fact]:
        """What goes wrong in real life and must not count: a mistyped customer, a wrong meter."""
        for subject, meter in ((f"c-{CUSTOMERS}", INPUT), ("c-000", "llm.input_token")):
            data = {"meter": meter, "quantity": 1}
            yield self._fact(self._at(10), "usage.recorded", data, subject)

    def _arrears(self) -> Iterator[_Fact]:
        """Every second customer without credit gets a bill for what was used; half pay in part."""
        first, after = rfc3339(self._begin), rfc3339(self._end + 1)
        used: dict[str, dict[str, int]] = {}
        for row, request in enumerate(self._requests):
            total = used.setdefault(customer(row), {INPUT: 0, OUTPUT: 0})
            total[INPUT] += request.input_tokens
            total[OUTPUT] += request.output_tokens
        for number in range(0, CUSTOMERS, 2 * len(PLANS)):
            id_ = f"c-{number:03d}"
            lines: list[_Line] = []
            for meter, tokens in used.get(id_, {}).items():
                amount = half_even(tokens * USD_RATE_E5[meter], 1_000)
                if number % 40 == 0:
                    amount -= amount % 10  # billed a little less: the bill is the legal amount
                if amount:
                    span = {"meter": meter, "from": first, "to": after}
                    lines.append(_Line(meter, amount, {"arrears_for": [span]}))
            if not lines:
                continue
            time = self._end + MINUTE
            invoice = f"usage-{number:03d}"
            billed = [line.data for line in lines]
            issued = {"invoice": invoice, "currency": "USD", "lines": billed}
            yield self._fact(time, "invoice.issued", issued, id_)
            gross = sum(line.gross for line in lines)
            part = gross if number % 20 == 0 else max(1, gross // 2)
            paid = {"invoice": invoice, "amount": _cents(part)}
            yield self._fact(time + MINUTE, "invoice.paid", paid, id_)

"""The naive model: what each kind of fact does. Codes are looked for in their published order."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from properties import model_usage
from properties.events import Event, instant
from properties.model import (
    MINOR,
    Block,
    Customer,
    Invoice,
    Line,
    Model,
    Over,
    Refused,
)
from properties.model_invoice_credit import pay_with_credit
from properties.model_usage import positive


def minor_units(value: str | None, currency: str) -> int:
    scaled = Fraction(value or "0") * 10 ** MINOR[currency]
    if scaled.denominator != 1:
        raise Refused("quantity_not_exact")
    return int(scaled)


# The catalog


def declare_unit(model: Model, data: Event) -> None:
    known = model.units.get(data["unit"])
    if known and data["version"] <= known["version"]:
        raise Refused("version_not_rising")
    if data["unit"] in MINOR:
        raise Refused("unit_is_currency")
    if known and data["exponent"] != known["exponent"]:
        raise Refused("exponent_changed")
    model.units[data["unit"]] = data


def declare_meter(model: Model, data: Event) -> None:
    known = model.meters.get(data["meter"])
    if known and data["version"] <= known["version"]:
        raise Refused("version_not_rising")
    if known and data.get("exponent", 0) != known.get("exponent", 0):
        raise Refused("exponent_changed")
    model.meters[data["meter"]] = data


def publish_card(model: Model, data: Event) -> None:
    versions = model.cards.get(data["rate_card"], [])
    if versions and data["version"] <= versions[-1]["version"]:
        raise Refused("version_not_rising")
    for rate in data["rates"]:
        if rate["meter"] not in model.meters:
            raise Refused("unknown_meter")
        decimals = model.decimals(rate["unit"])
        if decimals is None:
            raise Refused("unknown_unit")
        spare = decimals - model.meters[rate["meter"]].get("exponent", 0)
        if spare < 0 or (Fraction(rate["per_unit"]) * 10**spare).denominator != 1:
            raise Refused("rate_not_exact")
    model.cards[data["rate_card"]] = [*versions, data]


def publish_policy(model: Model, data: Event) -> None:
    if model.policies and data["version"] <= model.policies[-1]["version"]:
        raise Refused("version_not_rising")
    model.policies = [*model.policies, data | {"recorded": model.now}]


# Credit and usage


def update(model: Model, customer: Customer, event: Event, time: int) -> None:
    """Time zone and attributes change no figure; a limit of null is removed."""
    for unit, choice in event["data"].get("overage", {}).items():
        if unit != "default" and model.decimals(unit) is None:
            raise Refused("unknown_unit")
        customer.choices[unit] = choice
    for unit, limit in event["data"].get("credit_limits", {}).items():
        if model.decimals(unit) is None:
            raise Refused("unknown_unit")
        customer.credit_limits[unit] = Fraction(limit or "0")


def grant(model: Model, customer: Customer, event: Event, time: int) -> None:
    data = event["data"]
    if model.decimals(data["unit"]) is None:
        raise Refused("unknown_unit")
    if data.get("draws_on") == "invoice" and data["unit"] not in MINOR:
        raise Refused("unknown_currency")
    price = data.get("value", {"amount": "0", "currency": customer.currency})
    quantity = positive(data["quantity"], model.decimals(data["unit"]))
    value = minor_units(price["amount"], price["currency"])
    if data["block"] in customer.blocks:
        raise Refused("block_exists")
    effective = instant(data["effective_at"]) if "effective_at" in data else time
    expires = instant(data["expires_at"]) if "expires_at" in data else None
    if expires is not None and expires <= effective:
        raise Refused("empty_interval")
    if data["kind"] == "promotional" and value:
        raise Refused("value_not_free")
    customer.blocks[data["block"]] = Block(
        data["block"],
        data["kind"],
        data["unit"],
        quantity,
        value,
        price["currency"],
        time,
        effective,
        expires,
        data.get("priority"),
        data.get("scope", {}),
        _lapses_to(model, data, time),
        issued=quantity,
        granted=quantity,
        draws_on=data.get("draws_on", "usage"),
        waits=data.get("usable") == "when_funded",
    )
    value = 0 if data["kind"] in ("goodwill", "sla") else value  # nobody buys a concession
    if customer.sold(data["block"]) > value:
        raise Refused("sold_above_value")
    if "funding" in data:
        _fund(customer, data["block"], value, data["funding"])


def _lapses_to(model: Model, data: Event, time: int) -> str | None:
    """The account that takes back what expires of a concession; None where none was given."""
    accrues = {
        "sla": model.policy("sla.treatment", time, "accrue_on_grant") == "accrue_on_grant",
        "goodwill": "failed_period" in data
        and model.policy("goodwill.treatment", time, "auto") == "auto",
    }
    if not accrues.get(data["kind"], False):
        return None
    reverse = model.policy("sla.expiry", time, "reverse_contra") == "reverse_contra"
    return "4910" if reverse else "4050"


def _fund(customer: Customer, block: str, value: int, funding: Event) -> None:
    """The grant says which line sells it; the line may have come, or may come."""
    named = (funding["invoice"], funding["line"])
    if funding["invoice"] not in customer.invoices:
        if customer.grants_name.setdefault(named, block) != block:
            raise Refused("funding_disagrees")
        return
    for line in customer.invoices[funding["invoice"]].lines:
        if line.line == funding["line"]:
            if (
                line.arrears
                or line.conceded
                or line.credit
                or (line.sells and all(name != block for name, _ in line.sells))
            ):
                raise Refused("funding_disagrees")
            if not line.sells:
                line.asked = line.sells = [(block, line.amount)]
                line.sold_at = next(customer.sales)
            if customer.sold(block) > value:
                raise Refused("sold_above_value")
            return
    raise Refused("funding_disagrees")


# Invoices


# Of several faults of an invoice, the one that stands first here is told.
INVOICE_FAULTS = [
    "sold_above_value",
    "funding_disagrees",
    "invoice_exists",
    "due_date_missing",
    "line_repeated",
    "sales_not_the_amount",
]


def issue(model: Model, customer: Customer, event: Event, time: int) -> None:
    data = event["data"]
    recognition = data.get("recognition", model.policy("invoice.recognition", time, "on_issue"))
    due = instant(data["due_at"]) if "due_at" in data else None
    invoice = Invoice(data["currency"], recognition, due, [])
    faults = _read_lines(customer, data, invoice)
    if data["invoice"] in customer.invoices:
        faults.append("invoice_exists")
    if recognition == "on_due" and due is None:
        faults.append("due_date_missing")
    asked: dict[str, int] = {}
    for line in invoice.lines:
        line.asked = line.sells
        line.sold_at = next(customer.sales)
        for block, amount in line.sells:
            asked[block] = asked.get(block, 0) + amount
    for block, amount in asked.items():
        known = customer.blocks.get(block)
        limit = 0 if known and known.kind in ("goodwill", "sla") else known and known.value
        if known is not None and customer.sold(block) + amount > limit:
            faults.append("sold_above_value")
    if faults:
        raise Refused(min(faults, key=INVOICE_FAULTS.index))
    customer.invoices[data["invoice"]] = invoice
    balance = minor_units(data.get("balance_applied"), data["currency"])
    pay_with_credit(model, customer, data, invoice.lines, balance, time)
    for line, wire in zip(invoice.lines, data["lines"], strict=True):
        if "arrears_for" in wire:
            line.arrears = True
            line.billed = _bill(customer, wire["arrears_for"])
        if line.arrears or recognition == "on_issue":
            line.book(line.gross)


def _read_lines(customer: Customer, data: Event, invoice: Invoice) -> list[str]:
    """Fill the invoice's lines; what is wrong with them."""
    faults: list[str] = []
    for wire in data["lines"]:
        if any(line.line == wire["line"] for line in invoice.lines):
            faults.append("line_repeated")
        amount, tax = (minor_units(wire.get(key), data["currency"]) for key in ("amount", "tax"))
        sells, wrong = _sales(wire, amount, data["currency"])
        line = Line(wire["line"], amount, tax, sells, False)
        if wrong:
            faults.append("sales_not_the_amount")
        named = customer.grants_name.get((data["invoice"], wire["line"]))
        if named is not None:
            if "arrears_for" in wire or (line.sells and all(b != named for b, _ in line.sells)):
                faults.append("funding_disagrees")
            line.sells = line.sells or [(named, amount)]
        invoice.lines.append(line)
    return faults


def _sales(wire: Event, amount: int, currency: str) -> tuple[list[tuple[str, int]], bool]:
    """At most one sale without an amount: it is what the others leave of the line."""
    sales = wire.get("sells", [])
    given = sum(minor_units(s["amount"], currency) for s in sales if "amount" in s)
    blanks = sum("amount" not in s for s in sales)
    wrong = bool(sales) and (given > amount or blanks > 1 or (blanks == 0 and given != amount))
    rest = 0 if wrong else amount - given
    shares = [
        (s["block"], minor_units(s["amount"], currency) if "amount" in s else rest) for s in sales
    ]
    return shares, wrong


def _bill(customer: Customer, refs: list[Any]) -> int:
    """Take the overage that the line bills off the open list; what of it stands in 1150."""
    billed: list[Over] = []
    for ref in refs:
        if isinstance(ref, str):
            found = [over for over in customer.overage if over.id == ref]
            if not found:
                raise Refused("unknown_overage")
        else:
            first, last = instant(ref["from"]), instant(ref["to"])
            found = [
                over
                for over in customer.overage
                if over.meter == ref["meter"] and first <= over.time < last
            ]
        billed += [over for over in found if over not in billed]
    customer.overage = [over for over in customer.overage if over not in billed]
    cleared = 0
    for over in billed:
        key, scale = (over.unit, over.meter), 10 ** MINOR.get(over.unit, 0)
        before = customer.billed.get(key, Fraction(0))
        customer.billed[key] = before + over.amount
        if over.unit in MINOR:
            cleared += round((before + over.amount) * scale) - round(before * scale)
    return cleared


def pay(_model: Model, customer: Customer, event: Event, _time: int) -> None:
    data = event["data"]
    if Fraction(data["amount"]) <= 0:
        raise Refused("quantity_not_positive")
    if data["invoice"] not in customer.invoices:
        raise Refused("unknown_invoice")
    invoice = customer.invoices[data["invoice"]]
    settle(invoice, minor_units(data["amount"], invoice.currency))


def settle(invoice: Invoice, rest: int) -> None:
    """So much pays the lines in order."""
    if rest > sum(line.gross - line.paid for line in invoice.lines):
        raise Refused("paid_too_much")
    for line in invoice.lines:
        part = min(rest, line.gross - line.paid)
        line.paid += part
        if line.paid > line.booked:
            line.book(line.paid)
        rest -= part


CATALOG: dict[str, Callable[[Model, Event], None]] = {
    "unit.declared": declare_unit,
    "meter.declared": declare_meter,
    "rate_card.published": publish_card,
    "policy.published": publish_policy,
}
CUSTOMER: dict[str, Callable[[Model, Customer, Event, int], None]] = {
    "customer.created": update,
    "customer.updated": update,
    "credit.granted": grant,
    "hold.placed": model_usage.place,
    "hold.settled": model_usage.settle,
    "hold.released": model_usage.release,
    "usage.recorded": model_usage.use,
    "invoice.issued": issue,
    "invoice.paid": pay,
}

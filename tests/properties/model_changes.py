"""The naive model: what happens to credit and payments after the fact."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from properties import model_facts
from properties.events import Event, instant
from properties.model import Block, Customer, Invoice, Line, Model, Refused
from properties.model_facts import minor_units, positive


def known(customer: Customer, data: Event) -> Block:
    if data["block"] not in customer.blocks:
        raise Refused("unknown_block")
    return customer.blocks[data["block"]]


def part(model: Model, block: Block, data: Event) -> Fraction:
    """The quantity, or all that is unused; there must be that much."""
    amount = block.unused
    if "quantity" in data:
        amount = positive(data["quantity"], model.decimals(block.unit))
    if amount > block.unused or not block.unused:
        raise Refused("above_unused")
    return amount


def void(model: Model, customer: Customer, event: Event, time: int) -> None:
    block = known(customer, event["data"])
    amount = part(model, block, event["data"])
    if customer.funded(block.id) and model.policy("revoke.forfeit", time, "refuse") == "refuse":
        raise Refused("forfeiture_not_allowed")
    block.leave(amount, block.share(amount))
    block.voided += amount


def adjust(model: Model, customer: Customer, event: Event, time: int) -> None:
    block = known(customer, event["data"])
    quantity = Fraction(event["data"]["quantity"])
    positive(str(event["data"]["quantity"]).removeprefix("-"), model.decimals(block.unit))
    if quantity > 0 and block.expires_at is not None and block.expires_at <= model.now:
        raise Refused("block_expired")
    if -quantity > block.unused:
        raise Refused("above_unused")
    if quantity < 0 and block.price and block.quantity + quantity < block.granted:
        raise Refused("forfeiture_not_allowed")
    block.quantity += quantity
    if block.effective_at > model.now:
        block.issued += quantity
    else:
        block.available += quantity


def change_expiry(model: Model, customer: Customer, event: Event, time: int) -> None:
    block, expires_at = known(customer, event["data"]), instant(event["data"]["expires_at"])
    if expires_at <= block.effective_at:
        raise Refused("empty_interval")
    if block.expires_at is not None and block.expires_at <= model.now:
        raise Refused("block_expired")
    if expires_at <= model.now:
        raise Refused("expiry_in_past")
    block.expires_at = expires_at


def refund(model: Model, customer: Customer, event: Event, time: int) -> None:
    block = known(customer, event["data"])
    amount = part(model, block, event["data"])
    value = block.share(amount)
    lines = [
        (invoice, line, line.paid_for(block.id))
        for invoice in customer.invoices.values()
        for line in invoice.lines
        if any(name == block.id for name, _ in line.sells)
    ]
    if value == 0 or value > sum(paid for _, _, paid in lines):
        raise Refused("not_paid")
    block.refunded += amount
    block.leave(amount, value)
    for invoice, line, paid in sorted(lines, key=lambda each: -each[1].sold_at):
        net = min(value, paid)
        value -= net
        if net:
            booked = line.booked_net()
            tax = line.taxed - round(Fraction(line.taxed * (booked - net), booked))
            owe(invoice, line, net, min(tax, line.paid - net), {block.id: net})


def owe(invoice: Invoice, line: Line, net: int, tax: int, blocks: dict[str, int]) -> None:
    """Paid money of a line is owed back; what no block gives is conceded."""
    taxed = line.taxed - tax
    if line.amount:
        line.tax = max(taxed, round(Fraction(line.tax * (line.amount - net), line.amount)))
    line.amount -= net
    line.taxed = taxed
    line.booked -= net + tax
    line.paid -= net + tax
    line.sells = [(name, amount - blocks.get(name, 0)) for name, amount in line.sells]
    line.conceded += net - sum(blocks.values())
    invoice.payable += net + tax


def pay_back(model: Model, customer: Customer, event: Event, time: int) -> None:
    data = event["data"]
    if Fraction(data["amount"]) <= 0:
        raise Refused("quantity_not_positive")
    if data["invoice"] not in customer.invoices:
        raise Refused("unknown_invoice")
    invoice = customer.invoices[data["invoice"]]
    amount = minor_units(data["amount"], invoice.currency)
    only = data.get("blocks")
    lines = [
        line for line in invoice.lines if not only or any(name in only for name, _ in line.sells)
    ]
    rest = max(0, amount - invoice.payable)
    if rest > sum(line.paid for line in lines):
        raise Refused("not_paid")
    for line in lines:
        gross = min(rest, line.paid)
        rest -= gross
        if gross:
            tax = round(Fraction(line.taxed * gross, line.booked))
            net = left = gross - tax
            given = {}
            for name, _ in line.sells:
                if name in customer.blocks and (not only or name in only):
                    block = customer.blocks[name]
                    value = min(left, line.paid_for(name), block.share(block.unused))
                    left -= value
                    if value:
                        given[name] = value
            owe(invoice, line, net, tax, given)
            for name, value in given.items():
                give_up(model, customer.blocks[name], value)
    invoice.payable -= amount


def give_up(model: Model, block: Block, value: int) -> None:
    """Units worth about this value go back, at least one step; all of them for all of the value."""
    worth, amount = block.share(block.unused), block.unused
    if value < worth:
        step = Fraction(1, 10 ** model.decimals(block.unit))
        amount = max(step, model.to_step(block.unused * value / worth, block.unit))
    block.refunded += amount
    block.leave(amount, value)


CATALOG = model_facts.CATALOG
CUSTOMER: dict[str, Callable[[Model, Customer, Event, int], None]] = model_facts.CUSTOMER | {
    "credit.voided": void,
    "credit.adjusted": adjust,
    "credit.expiry_changed": change_expiry,
    "credit.refunded": refund,
    "payment.refunded": pay_back,
}

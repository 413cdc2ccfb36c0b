"""The naive model: credit that pays invoices, and how it comes back."""

from __future__ import annotations

import math
from fractions import Fraction

from properties.books import breakage
from properties.events import Event
from properties.model import LEDGER, MINOR, ORDER, Block, Customer, Line, Model, burn_key, in_scope


def pay_with_credit(
    model: Model, customer: Customer, data: Event, lines: list[Line], balance: int, time: int
) -> None:
    """Line by line, block by block: whole minor units, of what the balance does not pay."""
    before_tax = model.policy("invoice.credit_before_tax", time, False)
    order = model.policy("draw.order", time, ORDER)
    for line, wire in zip(lines, data["lines"], strict=True):
        reserved = min(balance, line.gross)
        balance -= reserved
        for block in sorted(customer.blocks.values(), key=lambda each: burn_key(order, each)):
            if line.sells or not line.gross or not matches(model, block, data, wire, time):
                continue
            most = line.gross - reserved
            if before_tax:
                most = line.amount - math.ceil(Fraction(line.amount * reserved, line.gross))
            amount = min(most, ready(customer, block))
            if amount > 0:
                pay(line, block, amount, before_tax=before_tax)


def matches(model: Model, block: Block, data: Event, wire: Event, time: int) -> bool:
    if block.draws_on != "invoice" or block.unit != data["currency"] or not block.covers(time):
        return False
    product = wire.get("product", "")
    if "meter" in wire and "product" not in wire:
        product = model.meters[wire["meter"]]["product"]
    return in_scope(block.scope, product, wire.get("meter", ""), {})


def ready(customer: Customer, block: Block) -> int:
    """Minor units that are there, and were billed or paid as far as they cost anything."""
    there = block.available
    if block.worth > 0:
        owed = max(0, customer.funded(block.id) - breakage(customer, block))
        there = min(there, block.units * owed / block.worth)
    # no more digits than the ledger keeps
    scale = 10 ** LEDGER[block.unit]
    return math.floor(Fraction(math.floor(there * scale), scale) * 10 ** MINOR[block.unit])


def pay(line: Line, block: Block, amount: int, *, before_tax: bool) -> None:
    """The line is as if it had been billed for the rest; what the credit cost is its income."""
    taxed = 0 if before_tax else round(Fraction(line.tax * amount, line.gross))
    units = Fraction(amount, 10 ** MINOR[block.unit])
    value = block.share(units)
    if before_tax:
        line.tax = round(Fraction(line.tax * (line.amount - amount), line.amount))
    line.tax -= taxed
    line.amount -= amount - taxed
    block.leave(units, value)
    block.applied += units
    block.paid_invoices += value
    line.credit.append((block.id, amount, taxed, value))
    line.credit_income += value - taxed


def give_back(
    model: Model, customer: Customer, line: Line, net: int, tax: int, account: str | None
) -> None:
    """The last that paid comes back first; what it had earned goes, or lands in the account."""
    kept = []
    for name, amount, taxed, value in reversed(line.credit):
        back_tax = min(tax, taxed)
        back = back_tax + min(net, amount - taxed)
        tax, net = tax - back_tax, net - (back - back_tax)
        worth = value - round(Fraction(value * (amount - back), amount))
        if account is None:
            line.credit_income -= worth - back_tax
        else:
            line.given_up[account] += worth - back_tax
        block, units = (
            customer.blocks[name],
            Fraction(back, 10 ** MINOR[customer.blocks[name].unit]),
        )
        block.applied -= units
        block.paid_invoices -= worth
        block.released -= worth
        if block.expires_at is not None and block.expires_at <= model.now:
            block.expired += units
        else:
            block.available += units
        if amount > back:
            kept.append((name, amount - back, taxed - back_tax, value - worth))
    line.credit = kept[::-1]


def paid_by_credit(line: Line) -> tuple[int, int]:
    """Without tax, and tax."""
    tax = sum(taxed for _, _, taxed, _ in line.credit)
    return sum(amount for _, amount, _, _ in line.credit) - tax, tax

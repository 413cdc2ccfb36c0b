"""Every account balance of a customer, worked out anew from the model's blocks and invoices.

Nothing is posted here, so nothing depends on the order of what happened: a balance is a function
of where the units are, what is booked and what is paid (revenue.md 1.2).
"""

from __future__ import annotations

from collections import Counter

from properties.model import MINOR, Block, Customer, Invoice


def breakage(customer: Customer, block: Block) -> int:
    """What was paid and usage can no longer earn, is earned."""
    earnable = block.usage_revenue() if block.dead else block.worth
    return max(0, customer.funded(block.id) - earnable)


def accounts(customer: Customer) -> dict[tuple[str, str], int]:
    """Debits less credits by (currency, account), zeros left out."""
    books: Counter[tuple[str, str]] = Counter()
    sold = {b for i in customer.invoices.values() for line in i.lines for b, _ in line.asked}
    for name in sold | set(customer.blocks):
        _block(books, customer, name)
    for (currency, _meter), amount in customer.accrued.items():
        accrued = round(amount * 10 ** MINOR[currency])
        books[currency, "1150"] += accrued
        books[currency, "4010"] -= accrued
    for invoice in customer.invoices.values():
        _invoice(books, invoice)
    for currency, amount in customer.balance.items():
        books[currency, "2150"] -= amount
    totals: Counter[str] = Counter()
    for (currency, _account), amount in books.items():
        totals[currency] += amount
    assert all(total == 0 for total in totals.values()), (books, "the model's books do not balance")
    return {key: amount for key, amount in books.items() if amount}


def _block(books: Counter[tuple[str, str]], customer: Customer, name: str) -> None:
    cash_or_claim = customer.funded(name)
    block = customer.blocks.get(name)
    if block is None:
        currency, used, broken = _currency_of_sale(customer, name), 0, 0
    else:
        currency, used, broken = block.currency, block.usage_revenue(), breakage(customer, block)
    books[currency, "4000"] -= used
    if block is not None and block.lapses_to is not None:
        books[currency, "4910"] += block.value
        books[currency, block.lapses_to] -= broken
        books[currency, "2030"] -= max(0, cash_or_claim - used - broken)
        return
    books[currency, "4050"] -= broken
    books[currency, "2000"] -= max(0, cash_or_claim - used - broken)
    books[currency, "1150"] += max(0, used + broken - cash_or_claim)


def _currency_of_sale(customer: Customer, block: str) -> str:
    return next(
        invoice.currency
        for invoice in customer.invoices.values()
        for line in invoice.lines
        if block in [name for name, _ in line.asked]
    )


def _invoice(books: Counter[tuple[str, str]], invoice: Invoice) -> None:
    books[invoice.currency, "1000"] += invoice.payable
    books[invoice.currency, "2110"] -= invoice.payable
    books[invoice.currency, "1000"] += invoice.moved
    for line in invoice.lines:
        books[invoice.currency, "1000"] += line.paid
        books[invoice.currency, "1100"] += line.booked - line.paid
        books[invoice.currency, "2200"] -= line.taxed + line.lost_tax
        for account, amount in line.given_up.items():
            books[invoice.currency, account] += amount
        books[invoice.currency, "2200"] -= sum(taxed for _, _, taxed, _ in line.credit)
        books[invoice.currency, "4010" if line.arrears else "4030"] -= line.credit_income
        earned = line.booked_net() + line.conceded
        if line.arrears:
            books[invoice.currency, "1150"] -= line.billed
            books[invoice.currency, "4010"] -= earned - line.billed
        elif not line.sells:
            books[invoice.currency, "4030"] -= earned

"""The naive model: what happens to credit and payments after the fact."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

from properties import model_facts
from properties.books import breakage
from properties.events import Event, instant
from properties.model import Block, Customer, Invoice, Line, Model, Refused
from properties.model_facts import minor_units, positive
from properties.model_invoice_credit import give_back, paid_by_credit


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
    if block.effective_at > model.now or block.waits:
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
        (invoice, line, min(line.paid_for(block.id), line.paid - line.paid_tax()))
        for invoice in customer.invoices.values()
        for line in invoice.lines
        if any(name == block.id for name, _ in line.sells)
    ]
    if not 0 < value <= min(customer.funded(block.id), sum(paid for _, _, paid in lines)):
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


def take(line: Line, net: int, tax: int, blocks: dict[str, int], account: str) -> None:
    """What is booked of a line goes back; what no block gives of it lands in the account."""
    taxed = line.taxed - tax
    if line.amount:
        line.tax = max(taxed, round(Fraction(line.tax * (line.amount - net), line.amount)))
    else:
        line.tax -= tax
    line.amount -= net
    line.taxed = taxed
    line.booked -= net + tax
    line.sells = [(name, amount - blocks.get(name, 0)) for name, amount in line.sells]
    line.conceded += net - sum(blocks.values())
    line.given_up[account] += net - sum(blocks.values())


def owe(invoice: Invoice, line: Line, net: int, tax: int, blocks: dict[str, int]) -> None:
    """Paid money of a line is owed back; what no block gives is conceded."""
    take(line, net, tax, blocks, "4920")
    line.paid -= net + tax
    invoice.payable += net + tax


def cash_back(customer: Customer, data: Event) -> tuple[Invoice, int]:
    if Fraction(data["amount"]) <= 0:
        raise Refused("quantity_not_positive")
    if data["invoice"] not in customer.invoices:
        raise Refused("unknown_invoice")
    invoice = customer.invoices[data["invoice"]]
    return invoice, minor_units(data["amount"], invoice.currency)


def pay_back(model: Model, customer: Customer, event: Event, time: int) -> None:
    invoice, amount = cash_back(customer, event["data"])
    rest = max(0, amount - invoice.payable)
    only = event["data"].get("blocks")
    for line, net, tax, given in paid_back(customer, invoice, rest, only):
        owe(invoice, line, net, tax, given)
        for name, value in given.items():
            give_up(model, customer, name, value, "refunded")
    invoice.payable -= amount


def dispute(model: Model, customer: Customer, event: Event, time: int) -> None:
    invoice, amount = cash_back(customer, event["data"])
    how = model.policy("chargeback.treatment", time, "credit_loss")
    account = "4920" if how == "concession" else "6500"
    only = event["data"].get("blocks")
    for line, net, tax, given in paid_back(customer, invoice, amount, only):
        take(line, net, tax, given, account)
        line.paid -= net + tax
        for name, value in given.items():
            give_up(model, customer, name, value, "refunded")


def paid_back(
    customer: Customer, invoice: Invoice, rest: int, only: list[str] | None
) -> Iterator[tuple[Line, int, int, dict[str, int]]]:
    """Line by line what goes back of what is paid: net, tax, and what of it blocks give."""
    lines = [
        line for line in invoice.lines if not only or any(name in only for name, _ in line.sells)
    ]
    if rest > sum(line.paid for line in lines):
        raise Refused("not_paid")
    for line in lines:
        gross = min(rest, line.paid)
        rest -= gross
        if gross:
            tax = round(Fraction(line.taxed * gross, line.booked))
            left, given = gross - tax, {}
            for name, _ in line.sells:
                if not only or name in only:
                    value = min(left, line.paid_for(name), left_in(customer, name))
                    left -= value
                    if value:
                        given[name] = value
            yield line, gross - tax, tax, given


def left_in(customer: Customer, name: str, *, booked: bool = True) -> int:
    """What the block can give back; one that was not granted yet, all that it was sold for."""
    if name not in customer.blocks:
        return customer.sold(name)
    block = customer.blocks[name]
    left = block.share(block.unused)
    return min(left, customer.funded(name)) if booked else left


# Invoices taken back


def invoice_of(customer: Customer, data: Event) -> Invoice:
    if data["invoice"] not in customer.invoices:
        raise Refused("unknown_invoice")
    return customer.invoices[data["invoice"]]


def void_invoice(model: Model, customer: Customer, event: Event, time: int) -> None:
    invoice = invoice_of(customer, event["data"])
    if invoice.closed:
        raise Refused("invoice_closed")
    if invoice.payable or any(line.paid for line in invoice.lines):
        raise Refused("invoice_paid")
    default = model.policy("void.used_portion", time, "keep_receivable")
    concede = event["data"].get("used_portion", default) == "concede"
    for line in invoice.lines:
        if line.sells or line.arrears:
            cancel(model, customer, line, concede=concede)
        else:
            line.amount = line.tax = line.booked = line.taxed = 0
        if not line.arrears or concede:
            account = "4920" if line.arrears else None
            give_back(model, customer, line, *paid_by_credit(line), account)
    invoice.closed = True


def write_off(model: Model, customer: Customer, event: Event, time: int) -> None:
    invoice = invoice_of(customer, event["data"])
    if all(line.gross == line.paid for line in invoice.lines):
        raise Refused("invoice_closed")
    account = "4920" if event["data"].get("used_portion") == "concede" else "6500"
    for line in invoice.lines:
        cancel(model, customer, line, concede=False)
        if line.booked < line.gross:
            take_unbooked(model, customer, line, line.amount - line.booked_net(), {}, account)
            continue
        tax = line.taxed - line.paid_tax()
        net = line.booked - line.paid - tax
        line.given_up[account] += net + tax
        line.lost_tax += tax
        line.conceded += net
        line.amount, line.tax = line.amount - net, line.tax - tax
        line.booked, line.taxed = line.paid, line.taxed - tax
    invoice.closed = True


def cancel(model: Model, customer: Customer, line: Line, *, concede: bool) -> None:
    """What is unpaid and unused goes; what was used goes too where it is conceded."""
    most = unpaid_and_unused(customer, line)
    if line.booked < line.gross:
        net = line.amount - line.booked_net() if concede else sum(most.values())
        take_unbooked(model, customer, line, net, most, "4920")
        return
    tax_open = line.taxed - line.paid_tax()
    net_open = line.booked - line.paid - tax_open
    net = net_open if concede else sum(most.values())
    if net:
        booked = line.booked_net()
        tax = line.taxed - round(Fraction(line.taxed * (booked - net), booked))
        take(line, net, tax_open if net == net_open else min(tax, tax_open), most, "4920")
        for name, value in most.items():
            give_up(model, customer, name, value, "voided")


def unpaid_and_unused(customer: Customer, line: Line) -> dict[str, int]:
    found = {
        name: min(
            amount - line.paid_for(name), left_in(customer, name, booked=line.booked == line.gross)
        )
        for name, amount in line.sells
    }
    return {name: value for name, value in found.items() if value}


def take_unbooked(
    model: Model,
    customer: Customer,
    line: Line,
    net: int,
    most: dict[str, int],
    account: str,
    tax: int | None = None,
) -> None:
    """Nothing is booked of it, so only what was used and stands unbilled is given up."""
    whole, amount = line.amount - line.booked_net(), line.amount - net
    rest = net
    for name, limit in most.items():
        part = min(rest, limit)
        rest -= part
        line.sells = [(n, a - part if n == name else a) for n, a in line.sells]
        if part:
            give_up(model, customer, name, part, "voided")
    for name, sold in list(line.sells):
        used = min(rest, sold - line.reach(name, line.booked_net()))
        part = min(used, unbilled(customer, name))
        rest -= used
        line.sells = [(n, a - used + part if n == name else a) for n, a in line.sells]
        line.conceded += part
        line.given_up[account] += part
    if tax is not None:
        line.tax -= tax
    elif net == whole:
        line.tax = line.taxed
    elif line.amount:
        line.tax = max(line.taxed, round(Fraction(line.tax * amount, line.amount)))
    line.amount = amount


def unbilled(customer: Customer, name: str) -> int:
    if name not in customer.blocks:
        return 0
    block = customer.blocks[name]
    earned = block.usage_revenue() + breakage(customer, block)
    return max(0, earned - customer.funded(name))


def credit(model: Model, customer: Customer, event: Event, time: int) -> None:
    data = event["data"]
    invoice = invoice_of(customer, data)
    amounts = []
    for note in data["lines"]:
        for each in note.get("blocks", []):
            known(customer, each)
    for note in data["lines"]:
        net, tax = (minor_units(note.get(k), invoice.currency) for k in ("amount", "tax"))
        if net + tax == 0:
            raise Refused("quantity_not_positive")
        amounts.append((net, tax))
    if data["credit_note"] in customer.notes:
        raise Refused("credit_note_exists")
    customer.notes.add(data["credit_note"])
    for note, (net, tax) in zip(data["lines"], amounts, strict=True):
        found = [line for line in invoice.lines if line.line == note["line"]]
        if not found:
            raise Refused("unknown_line")
        money = credit_line(model, customer, found[0], note, net, tax, data["to"])
        if data["to"] == "balance":
            customer.balance[invoice.currency] += money
            invoice.moved += money
        if data["to"] == "refund":
            invoice.payable += money


def credit_line(
    model: Model, customer: Customer, line: Line, note: Event, net: int, tax: int, to: str
) -> int:
    """How much money the line gives back: first all there is, then the credit that paid it."""
    unbooked = to == "invoice" and line.booked < line.gross
    paid_tax = line.paid_tax()
    if unbooked:
        limit = (line.amount - line.booked_net(), line.tax - line.taxed)
    elif to == "invoice":
        limit = (line.booked - line.taxed - (line.paid - paid_tax), line.taxed - paid_tax)
    else:
        limit = (line.paid - paid_tax, paid_tax)
    more = max(0, net - limit[0]), max(0, tax - limit[1])
    elsewhere = line.paid if to == "invoice" else line.gross - line.paid
    if any(more) and (
        elsewhere or any(a > b for a, b in zip(more, paid_by_credit(line), strict=True))
    ):
        raise Refused("credited_too_much")
    net, tax = net - more[0], tax - more[1]
    if to == "invoice":
        most = unpaid_and_unused(customer, line)
    else:
        most = {name: min(line.paid_for(name), left_in(customer, name)) for name, _ in line.sells}
    if "blocks" in note:
        if any(all(each["block"] != name for name, _ in line.sells) for each in note["blocks"]):
            raise Refused("unknown_line")
        most = {each["block"]: most.get(each["block"], 0) for each in note["blocks"]}
    if unbooked:
        take_unbooked(model, customer, line, net, most, "4920", tax)
        give_back(model, customer, line, *more, "4920")
        return net + tax
    rest, given = net, {}
    for name, limit_ in most.items():
        part = min(rest, limit_)
        rest -= part
        if part:
            given[name] = part
    take(line, net, tax, given, "4920")
    if to != "invoice":
        line.paid -= net + tax
    for name, value in given.items():
        give_up(model, customer, name, value, "voided")
    give_back(model, customer, line, *more, "4920")
    return net + tax


def issue(model: Model, customer: Customer, event: Event, time: int) -> None:
    """As without a balance; then what of the balance is applied pays it."""
    data = event["data"]
    model_facts.issue(model, customer, event, time)
    applied = minor_units(data.get("balance_applied"), data["currency"])
    if not applied:
        return
    invoice = customer.invoices[data["invoice"]]
    model_facts.settle(invoice, applied)
    if applied > customer.balance[data["currency"]]:
        raise Refused("balance_too_small")
    customer.balance[data["currency"]] -= applied
    invoice.moved -= applied


def give_up(model: Model, customer: Customer, name: str, value: int, place: str) -> None:
    """Units worth about this value go back, at least one step; all of them for all of the value."""
    if name not in customer.blocks:
        return
    block = customer.blocks[name]
    worth, amount = block.share(block.unused), block.unused
    if value < worth:
        step = Fraction(1, 10 ** model.decimals(block.unit))
        amount = max(step, model.to_step(block.unused * value / worth, block.unit))
    block.leave(amount, value)
    setattr(block, place, getattr(block, place) + amount)


CATALOG = model_facts.CATALOG
CUSTOMER: dict[str, Callable[[Model, Customer, Event, int], None]] = model_facts.CUSTOMER | {
    "credit.voided": void,
    "credit.adjusted": adjust,
    "credit.expiry_changed": change_expiry,
    "credit.refunded": refund,
    "payment.refunded": pay_back,
    "payment.disputed": dispute,
    "invoice.issued": issue,
    "invoice.voided": void_invoice,
    "invoice.written_off": write_off,
    "credit_note.issued": credit,
}

"""A customer as one document: the balances of the fold, with the records that explain them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from creditfold.cli.balances import balance
from creditfold.cli.history import data, header
from creditfold.contract.sums import total
from creditfold.contract.topics import INVOICES, LEDGER, NOTICES, event_type
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.exact import decimal
from creditfold.core.invoice_state import INVOICE, Invoice
from creditfold.core.state import ACCOUNT, Account
from creditfold.core.times import rfc3339
from creditfold.local.runtime import LocalRuntime

LAST = 10

_ISSUED = event_type("invoice.issued")
_CASH = {event_type("invoice.paid"): "payments", event_type("payment.refunded"): "refunds"}


def look(runtime: LocalRuntime, customer: str, at: int | None) -> dict[str, Any] | None:
    """The snapshot with what expires next, the invoices and the last outcomes; None if unknown."""
    snapshot = balance(runtime, customer, at)
    if snapshot is None:
        return None
    view: dict[str, Any] = snapshot.model_dump(mode="json", by_alias=True, exclude_none=True)
    outcomes = list(_outcomes(runtime, customer, at))
    applied = {outcome["cause"].get("id") for outcome in outcomes if outcome["status"] == "applied"}
    return {
        "customer": customer,
        **view,
        "expires_next": expires_next(view["blocks"]),
        "invoices": _invoices(runtime, customer, applied),
        "statements": list(_statements(runtime, customer, outcomes)),
        "facts": len(outcomes),
        "last": outcomes[-LAST:],
    }


def expires_next(blocks: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The block with something left that expires first."""
    live = [block for block in blocks if block["available"] != "0" and "expires_at" in block]
    return min(live, key=lambda block: (block["expires_at"], block["block"]), default=None)


def everyone(runtime: LocalRuntime) -> Iterator[dict[str, Any]]:
    """Every customer with what its head says."""
    exponent = runtime.partition.catalog.exponent

    def texts(amounts: dict[str, int]) -> dict[str, str]:
        return {
            unit: decimal(amount, _exponent(runtime, unit, exponent(unit)))
            for unit, amount in sorted(amounts.items())
        }

    for customer in runtime.store.accounts():
        account: Account = runtime.store.get((customer, ACCOUNT, ""))
        yield {
            "customer": customer,
            "currency": account.currency,
            "usable": texts(account.usable),
            "overage": texts(account.overage),
            "next_due": None if account.next_due is None else rfc3339(account.next_due),
            "facts": account.seq,
            "head": account.head,
        }


def _exponent(runtime: LocalRuntime, unit: str, known: int | None) -> int:
    if known is not None:
        return known
    return runtime.partition.catalog.meters[unit.removeprefix("meter:")].exponent


def _outcomes(runtime: LocalRuntime, customer: str, at: int | None) -> Iterator[dict[str, Any]]:
    key = customer.encode()
    until = None if at is None else rfc3339(at)
    for record in runtime.log.read(LEDGER.name):
        if record.key != key:
            continue
        outcome = data(record)
        if until is None or _earlier(outcome["recorded_at"], until):
            yield outcome


def _statements(
    runtime: LocalRuntime, customer: str, outcomes: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """The statements that these outcomes sent."""
    causes = {outcome["outcome"] for outcome in outcomes}
    for record in runtime.log.read(NOTICES.name):
        if record.key == customer.encode():
            notice = data(record)
            if "statement" in notice and notice["outcome"] in causes:
                yield notice["statement"]


def _earlier(left: str, right: str) -> bool:
    """Whether one RFC 3339 text in UTC is not after another; a fraction may be cut short."""
    return left.removesuffix("Z") <= right.removesuffix("Z")


def _invoices(
    runtime: LocalRuntime, customer: str, applied: set[str | None]
) -> list[dict[str, Any]]:
    """The invoices as they were issued, what was paid and refunded, and what is open now."""
    key = customer.encode()
    found: dict[str, dict[str, Any]] = {}
    for record in runtime.log.read(INVOICES.name):
        if record.key != key or header(record, "ce_id") not in applied:
            continue
        fact, type_ = data(record), header(record, "ce_type")
        if type_ == _ISSUED and fact["invoice"] not in found:
            net = [line["amount"] for line in fact["lines"]]
            tax = [line.get("tax", 0) for line in fact["lines"]]
            found[fact["invoice"]] = {
                "invoice": fact["invoice"],
                "currency": fact["currency"],
                "issued_at": header(record, "ce_time"),
                "recognition": fact.get("recognition"),
                "lines": [line["line"] for line in fact["lines"]],
                "gross": total(*net, *tax),
                "payments": [],
                "refunds": [],
            }
        elif type_ in _CASH and fact["invoice"] in found:
            found[fact["invoice"]][_CASH[type_]].append(
                {"at": header(record, "ce_time"), "amount": total(fact["amount"])}
            )
    for name, invoice in found.items():
        for what, cash in (("paid", "payments"), ("refunded", "refunds")):
            invoice[what] = total(*(each["amount"] for each in invoice[cash]))
        stands: Invoice = runtime.store.get((customer, INVOICE, name))
        exponent = MINOR_EXPONENT[stands.currency]
        left = sum(line.gross - line.paid for line in stands.lines)
        invoice["open"] = decimal(left, exponent)
        grants = time = 0
        for line in stands.lines:
            if line.ratable is not None:
                time += max(0, line.deferred)
            else:
                grants += line.unallotted(line.booked - line.taxed)
        invoice["for_grants_to_come"] = decimal(grants, exponent)
        invoice["for_time_to_come"] = decimal(time, exponent)
        credit = sum(each.amount for line in stands.lines for each in line.applied)
        invoice["credit"] = decimal(credit, exponent)
        invoice["refund_due"] = decimal(stands.payable, exponent)
    return list(found.values())

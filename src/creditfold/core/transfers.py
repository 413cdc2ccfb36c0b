"""Credit from one customer to another: out here, offered there, accepted or returned.

Out and in share one id. What was paid for it stands in transit (2040) in between: one posting on
each side, so that each customer ties out alone.
"""

from __future__ import annotations

from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.blocks import issue, live
from creditfold.core.calendar import Every, written
from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.entries import Place, Sent
from creditfold.core.exact import INT64_MAX, decimal
from creditfold.core.facts import Rollover
from creditfold.core.rejections import Code, Rejection
from creditfold.core.release import asked, bring_back, release, share
from creditfold.core.scope import written as written_scope
from creditfold.core.state import BLOCK, TRANSFER, Block, Terms, Transfer
from creditfold.core.times import rfc3339
from creditfold.core.transfer_facts import (
    CreditTransferred,
    TransferAccepted,
    TransferOffered,
    TransferReturned,
)

RULE = "R-TRANSFER"


def send(draft: Draft, body: CreditTransferred) -> Rejection | None:
    """Take unused credit out, and offer it to the other customer."""
    found = asked(draft, body.block, body.quantity)
    if isinstance(found, Rejection):
        return found
    terms, amount = found
    block: Block = draft.get(BLOCK, body.block)
    value = share(block, amount)
    if terms.waits:
        return Rejection(
            Code.NOT_PAID, f"block {body.block} waits for its payment: transfer it after that"
        )
    if value > revenue.transferable(block):
        return Rejection(
            Code.NOT_PAID,
            f"block {body.block} is not billed or paid as far as it would leave: bill it first",
        )
    if draft.get(TRANSFER, body.transfer) is not None:
        return Rejection(
            Code.TRANSFER_EXISTS, f"transfer {body.transfer} was sent before: use another id"
        )
    if body.to == draft.customer:
        return Rejection(
            Code.TRANSFER_TO_SELF, "the credit is this customer's already: name another in `to`"
        )
    draft.begin_entry()
    revenue.post_unfunding(draft, RULE, Account.IN_TRANSIT, body.block, value)
    release(draft, body.block, terms, amount, Place.TRANSFERRED_OUT, value)
    revenue.post_respread(draft, RULE, body.block, terms)
    draft.put(TRANSFER, body.transfer, Transfer(body.to, body.block, amount, value))
    draft.send("offered", body.to, _offer(draft, body, terms, amount, value))
    return None


def _offer(
    draft: Draft, body: CreditTransferred, terms: Terms, amount: int, value: int
) -> dict[str, object]:
    period, rollover = terms.failed_period, _left(terms)
    offer: dict[str, object | None] = {
        "transfer": body.transfer,
        "from": draft.customer,
        "block": body.block,
        "kind": terms.kind,
        "unit": terms.unit,
        "quantity": decimal(amount, terms.exponent),
        "value": {
            "amount": decimal(value, MINOR_EXPONENT[terms.currency]),
            "currency": terms.currency,
        },
        "effective_at": rfc3339(terms.effective_at),
        "expires_at": None if terms.expires_at is None else rfc3339(terms.expires_at),
        "priority": terms.priority,
        "scope": None if terms.scope is None else written_scope(terms.scope),
        "failed_period": None
        if period is None
        else {"from": rfc3339(period.start), "to": rfc3339(period.end)},
        "lapses_to": terms.lapses_to,
        "draws_on": None if terms.pays_usage else terms.draws_on,
        "rollover": None if rollover is None else _written(rollover),
        "periods": None
        if rollover is None or terms.periods is None
        else {
            "anchor": rfc3339(terms.periods.anchor).removesuffix("Z"),
            "every": written(terms.periods.every),
            "zone": terms.periods.zone,
        },
    }
    return {name: value for name, value in offer.items() if value is not None}


def _left(terms: Terms) -> Rollover | None:
    """How the credit may still roll over; a floor is not passed on, since it grants anew."""
    rule = terms.rollover
    if rule is None or terms.rolled >= rule.times:
        return None
    return replace(rule, min_quantity=None, times=rule.times - terms.rolled)


def _written(rule: Rollover) -> dict[str, object]:
    """The rollover as the wire has it."""
    expires: object = rule.expires
    if isinstance(rule.expires, Every):
        expires = written(rule.expires)
    elif isinstance(rule.expires, int):
        expires = rfc3339(rule.expires)
    found: dict[str, object | None] = {
        "quantity": None if rule.quantity is None else str(rule.quantity),
        "percent": None if rule.percent is None else str(rule.percent),
        "times": rule.times,
        "expires": expires,
        "priority": rule.priority,
    }
    return {name: value for name, value in found.items() if value is not None}


def take(draft: Draft, body: TransferOffered) -> Rejection | None:
    """The credit is this customer's: a block with the value, terms and lineage of its source."""
    exponent = draft.catalog.exponent(body.unit)
    if exponent is None:
        return Rejection(Code.UNKNOWN_UNIT, f"unit {body.unit} was not declared here")
    quantity = body.quantity.scaled(exponent)
    value = body.value.amount.scaled(MINOR_EXPONENT[body.value.currency])
    assert quantity is not None, body
    assert value is not None, body
    if quantity > INT64_MAX - live(draft, body.unit):
        return Rejection(
            Code.QUANTITY_OUT_OF_RANGE,
            f"with {body.quantity} more the {body.unit} of this customer would be more than one "
            "amount can hold",
        )
    block_id = f"{body.sender}:{body.transfer}"
    if draft.terms(block_id) is not None or draft.get(BLOCK, block_id) is not None:
        return Rejection(Code.BLOCK_EXISTS, f"block {block_id} exists, or was sold already")
    terms = Terms(
        kind=body.kind,
        unit=body.unit,
        exponent=exponent,
        quantity=quantity,
        value=value,
        currency=body.value.currency,
        granted_at=draft.time,
        effective_at=body.effective_at,
        expires_at=body.expires_at,
        priority=body.priority,
        scope=body.scope,
        failed_period=body.failed_period,
        lapses_to=body.lapses_to,
        draws_on=body.draws_on,
        rollover=body.rollover,
        periods=body.periods,
        transferred_from=f"{body.sender}:{body.block}",
    )
    draft.edit_block(block_id).value = value
    issue(draft, block_id, terms)
    draft.begin_entry()
    revenue.post_funding(draft, RULE, Account.IN_TRANSIT, block_id, value)
    answer: dict[str, object] = {"transfer": body.transfer, "from": draft.customer}
    draft.send("accepted", body.sender, answer)
    return None


def refused(draft: Draft, body: TransferOffered, rejection: Rejection) -> tuple[Sent, ...]:
    """What goes back to the sender of credit that this customer cannot take."""
    answer: dict[str, object] = {
        "transfer": body.transfer,
        "from": draft.customer,
        "code": rejection.code,
        "detail": rejection.detail,
    }
    draft.send("returned", body.sender, answer)
    return tuple(draft.sent)


def _known(draft: Draft, body: TransferAccepted | TransferReturned) -> Transfer | Rejection:
    transfer: Transfer | None = draft.get(TRANSFER, body.transfer)
    if transfer is None or transfer.to != body.receiver or not transfer.open:
        return Rejection(
            Code.UNKNOWN_TRANSFER,
            f"transfer {body.transfer} to {body.receiver} is not open: it was answered, or never "
            "was",
        )
    draft.put(TRANSFER, body.transfer, replace(transfer, open=False))
    return transfer


def settle(draft: Draft, body: TransferAccepted) -> Rejection | None:
    """The credit has arrived; its money left this customer when it was sent."""
    found = _known(draft, body)
    return found if isinstance(found, Rejection) else None


def restore(draft: Draft, body: TransferReturned) -> Rejection | None:
    """The credit comes back to its block; what has expired meanwhile expires."""
    found = _known(draft, body)
    if isinstance(found, Rejection):
        return found
    draft.begin_entry()
    revenue.post_funding(draft, RULE, Account.IN_TRANSIT, found.block, found.value)
    bring_back(draft, RULE, found.block, Place.TRANSFERRED_OUT, found.amount, found.value)
    return None

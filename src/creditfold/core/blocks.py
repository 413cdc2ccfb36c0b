"""Granting, activation and expiry of blocks."""

from __future__ import annotations

from typing import NamedTuple

from creditfold.core import grant_postings, revenue, top_ups
from creditfold.core.booking import bind_funding
from creditfold.core.calendar import END
from creditfold.core.catalog import Catalog
from creditfold.core.chart import Account
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.draft import Draft
from creditfold.core.entries import Place
from creditfold.core.exact import INT64_MAX, Exact
from creditfold.core.facts import CreditGranted, DrawsOn, Kind
from creditfold.core.policy import Policy
from creditfold.core.policy_facts import GoodwillTreatment, SlaExpiry, SlaTreatment
from creditfold.core.rejections import Code, Rejection, gravest
from creditfold.core.state import (
    BLOCK,
    TERMS,
    WALLET,
    Block,
    Item,
    Periods,
    Phase,
    Terms,
    Wallet,
)
from creditfold.core.wallet import enter as enter_wallet
from creditfold.core.wallet import reorder

_OF_A_BLOCK = (Phase.ACTIVATION, Phase.ROLLOVER, Phase.EXPIRY, Phase.EXPIRING)
"""What may fall due for a block."""


def steps(quantity: Exact, exponent: int, what: str) -> int | Rejection:
    """A positive quantity in whole steps of `10**-exponent`, or why it is none."""
    if quantity.coefficient <= 0:
        return Rejection(Code.QUANTITY_NOT_POSITIVE, f"{what} is {quantity}: give a number above 0")
    amount = quantity.scaled(exponent)
    if amount is None:
        return Rejection(
            Code.QUANTITY_NOT_EXACT,
            f"{what} is {quantity}, but only {exponent} decimals are kept: round it first",
        )
    if amount > INT64_MAX:
        return Rejection(
            Code.QUANTITY_OUT_OF_RANGE,
            f"{what} is {quantity}: the largest is {Exact(INT64_MAX, exponent)}",
        )
    return amount


class Amounts(NamedTuple):
    """A grant's quantity in steps of its unit, and its value in minor units."""

    exponent: int
    quantity: int
    paid: int


def amounts(catalog: Catalog, body: CreditGranted) -> Amounts | Rejection:
    """What a grant comes to, or why it comes to nothing."""
    exponent = catalog.exponent(body.unit)
    if exponent is None:
        return Rejection(
            Code.UNKNOWN_UNIT,
            f"unit {body.unit} is no currency and was not declared: publish unit.declared first",
        )
    if body.draws_on is DrawsOn.INVOICE and body.unit not in MINOR_EXPONENT:
        return Rejection(
            Code.UNKNOWN_CURRENCY,
            f"unit {body.unit} is not a currency of ISO 4217: credit that pays invoices is money",
        )
    if body.value is not None and body.value.currency not in MINOR_EXPONENT:
        return Rejection(
            Code.UNKNOWN_CURRENCY, f"{body.value.currency} is not a currency of ISO 4217"
        )
    paid = _value(body)
    quantity = steps(body.quantity, exponent, "quantity")
    caps = () if body.rollover is None else (body.rollover.quantity, body.rollover.min_quantity)
    read = [steps(each, exponent, "rollover") for each in caps if each is not None]
    if isinstance(paid, Rejection) or isinstance(quantity, Rejection):
        read += [paid, quantity]
    faults = [each for each in read if isinstance(each, Rejection)]
    if faults or isinstance(paid, Rejection) or isinstance(quantity, Rejection):
        return gravest(faults)
    return Amounts(exponent, quantity, paid)


def grant(
    draft: Draft, body: CreditGranted, enrolment: str, periods: Periods | None
) -> Rejection | None:
    """Make a block of a program. It is available from `effective_at` on, or when it is funded."""
    terms = offered(draft, body, enrolment, periods)
    if isinstance(terms, Rejection):
        return terms
    refusal = bind(draft, body, terms)
    if refusal is None:
        issue(draft, body.block, terms)
    return refusal


def offered(
    draft: Draft,
    body: CreditGranted,
    enrolment: str | None = None,
    periods: Periods | None = None,
) -> Terms | Rejection:
    """What a grant would be, or why there is none."""
    read = amounts(draft.catalog, body)
    if isinstance(read, Rejection):
        return read
    exponent, quantity, paid = read
    currency = draft.account.currency if body.value is None else body.value.currency
    if quantity > INT64_MAX - live(draft, body.unit):
        return Rejection(
            Code.QUANTITY_OUT_OF_RANGE,
            f"with {body.quantity} more the {body.unit} of this customer would be more than one "
            "amount can hold",
        )
    if draft.get(TERMS, body.block) is not None:
        return Rejection(
            Code.BLOCK_EXISTS, f"block {body.block} exists: every grant needs an id of its own"
        )
    effective_at = draft.time if body.effective_at is None else body.effective_at
    if body.expires_at is not None and body.expires_at <= effective_at:
        return Rejection(
            Code.EMPTY_INTERVAL, "expires_at is not after effective_at: the block could never pay"
        )
    refusal = not_free(body)
    if refusal is not None:
        return refusal
    return Terms(
        kind=body.kind,
        unit=body.unit,
        exponent=exponent,
        quantity=quantity,
        value=paid,
        currency=currency,
        granted_at=draft.time,
        effective_at=END if body.when_funded else effective_at,
        expires_at=body.expires_at,
        priority=body.priority,
        scope=body.scope,
        reason=body.reason,
        failed_period=body.failed_period,
        lapses_to=_lapses_to(draft.policy, body),
        enrolment=enrolment,
        recurs=periods is not None,
        rollover=body.rollover,
        periods=None if body.rollover is None else periods,
        draws_on=body.draws_on,
        granted_from=effective_at if body.when_funded else None,
    )


def bind(draft: Draft, body: CreditGranted, terms: Terms) -> Rejection | None:
    """Give the block its price, the lines that sell it and the request that it answers."""
    draft.edit_block(body.block).value = terms.price
    return _funding_fits(draft, body, terms) or top_ups.receive(draft, body)


def not_free(body: CreditGranted) -> Rejection | None:
    """Why the grant's kind and value contradict each other, if they do."""
    if body.kind is Kind.PROMOTIONAL and body.value is not None and body.value.amount.coefficient:
        return Rejection(
            Code.VALUE_NOT_FREE, f"a {body.kind} block is free by its kind: leave value out"
        )
    return None


def _value(body: CreditGranted) -> int | Rejection:
    """What was paid for the block, in minor units."""
    if body.value is None:
        return 0
    exponent = MINOR_EXPONENT[body.value.currency]
    minor = body.value.amount.scaled(exponent)
    if minor is None:
        return Rejection(
            Code.QUANTITY_NOT_EXACT,
            f"value is {body.value.amount} {body.value.currency}, which has {exponent} decimals",
        )
    if minor > INT64_MAX:
        return Rejection(Code.QUANTITY_OUT_OF_RANGE, f"value is {body.value.amount}: too large")
    return minor


def _lapses_to(policy: Policy, body: CreditGranted) -> str | None:
    """Where the lapse of a concession goes, if the grant accrues one: decided once, by the policy
    at the grant's time."""
    match body.kind:
        case Kind.SLA:
            accrued = policy.sla_treatment is SlaTreatment.ACCRUE_ON_GRANT
        case Kind.GOODWILL:
            named = body.failed_period is not None
            accrued = named and policy.goodwill_treatment is GoodwillTreatment.AUTO
        case _:
            accrued = False
    if not accrued:
        return None
    reverse = policy.sla_expiry is SlaExpiry.REVERSE_CONTRA
    return Account.CONTRA_SERVICE_CREDITS if reverse else Account.BREAKAGE


def live(draft: Draft, unit: str) -> int:
    """All that the blocks in the wallet ever held of a unit: no balance can be above it."""
    wallet: Wallet | None = draft.get(WALLET)
    blocks = () if wallet is None else wallet.blocks
    return sum(_quantity(draft, block) for block in blocks if draft.granted(block).unit == unit)


def _quantity(draft: Draft, block_id: str) -> int:
    block: Block = draft.get(BLOCK, block_id)
    return block.quantity


def _funding_fits(draft: Draft, body: CreditGranted, terms: Terms) -> Rejection | None:
    """Bind the grant to the invoice lines that sell it, or say why they do not fit."""
    sold: Block | None = draft.get(BLOCK, body.block)
    if sold is not None and sold.sold:
        if sold.currency != terms.currency:
            return Rejection(
                Code.CURRENCY_DIFFERS,
                f"block {body.block} was sold in {sold.currency}, its value is in {terms.currency}",
            )
        if sold.sold > terms.for_sale:
            return Rejection(
                Code.SOLD_ABOVE_VALUE,
                f"invoice lines sell block {body.block} for more than its value",
            )
    if body.funding is None:
        return None
    return bind_funding(draft, body.block, terms, body.funding)


def issue(draft: Draft, block_id: str, terms: Terms) -> None:
    """Enter a block whose value is known, and what falls due for it."""
    draft.put(TERMS, block_id, terms)
    block = draft.edit_block(block_id)
    block.currency = terms.currency
    draft.move(block_id, terms, Place.ORIGIN, Place.ISSUED, terms.quantity)
    if terms.lapses_to is not None and terms.rolled_from is None and terms.transferred_from is None:
        grant_postings.post_concession(draft, block_id, terms)
    grant_postings.post_right(draft, block_id, terms)
    enter_wallet(draft, block_id, terms)
    items: list[Item] = []
    if terms.effective_at > draft.present:
        items += _activation(block_id, terms)
    else:
        draft.move(block_id, terms, Place.ISSUED, Place.AVAILABLE, terms.quantity)
    items += _expiry(draft, block_id, terms)
    if items:
        draft.schedule(*items)


def _activation(block_id: str, terms: Terms) -> list[Item]:
    """When the block may be used, where it does not wait for its payment."""
    return [] if terms.waits else [(terms.effective_at, Phase.ACTIVATION, block_id)]


def _expiry(draft: Draft, block_id: str, terms: Terms) -> list[Item]:
    """When the block rolls over, expires, and is told of where the policy asks for that in time."""
    if terms.expires_at is None:
        return []
    items: list[Item] = [(terms.expires_at, Phase.EXPIRY, block_id)]
    if terms.rollover is not None and terms.rolled < terms.rollover.times:
        items.append((terms.expires_at, Phase.ROLLOVER, block_id))
    warned_at = terms.expires_at - draft.policy.expiring_before
    if draft.present < warned_at < terms.expires_at:
        items.append((warned_at, Phase.EXPIRING, block_id))
    return items


def free(draft: Draft, block: str) -> bool:
    """Whether a new block may have the id: none was granted under it, and no line sells it."""
    sold: Block | None = draft.get(BLOCK, block)
    return draft.get(TERMS, block) is None and (sold is None or not sold.sold)


def activate(draft: Draft, block_id: str) -> None:
    """The block's `effective_at` has come: what usage has not drawn already becomes available."""
    terms = draft.granted(block_id)
    draft.unschedule(Phase.ACTIVATION, block_id)
    draft.move(block_id, terms, Place.ISSUED, Place.AVAILABLE, draft.edit_block(block_id).issued)


def expire(draft: Draft, block_id: str) -> None:
    """The block's `expires_at` has come: what is left of it lapses, and is earned as breakage."""
    terms = draft.granted(block_id)
    assert terms.expires_at is not None
    draft.unschedule(Phase.EXPIRY, block_id)
    source = Place.ISSUED if terms.waits else Place.AVAILABLE
    left = getattr(draft.edit_block(block_id), source)
    if left:  # all of it may be held, and stays usable for that
        draft.move(block_id, terms, source, Place.EXPIRED, left)
    # What ends at an instant belongs to the period that ends there.
    revenue.post_expiry(draft, block_id, terms, terms.expires_at - 1)


def returned(draft: Draft, block_id: str, amount: int) -> None:
    """Drawn units are available again: they expire at once, or may pay until the block does."""
    terms = draft.granted(block_id)
    if terms.expires_at is not None and terms.expires_at <= draft.now:
        draft.move(block_id, terms, Place.AVAILABLE, Place.EXPIRED, amount)
        return
    wallet: Wallet | None = draft.get(WALLET)
    if wallet is None or block_id not in wallet.blocks:
        revive(draft, block_id, terms)


def exhaust(draft: Draft, blocks: set[str]) -> None:
    """Nothing is left in these blocks: the next usage does not look at them, nor does the clock."""
    draft.exhausted = True
    wallet: Wallet = draft.get(WALLET)
    draft.put(WALLET, "", Wallet(wallet.order, tuple(b for b in wallet.blocks if b not in blocks)))
    for block_id in blocks:
        for phase in _OF_A_BLOCK:
            draft.unschedule(phase, block_id)


def revive(draft: Draft, block_id: str, terms: Terms) -> None:
    """Put a block (back) where usage and the clock look, by what its terms now say."""
    reorder(draft, block_id, terms)
    for phase in _OF_A_BLOCK:
        draft.unschedule(phase, block_id)
    if draft.edit_block(block_id).issued:
        draft.schedule(*_activation(block_id, terms))
    draft.schedule(*_expiry(draft, block_id, terms))

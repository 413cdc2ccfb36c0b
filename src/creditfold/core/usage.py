"""Usage: which blocks pay, in the burn order; what none covers is overage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from creditfold.core import revenue
from creditfold.core.blocks import exhaust, steps
from creditfold.core.catalog import Price
from creditfold.core.draft import Draft, Usage
from creditfold.core.entries import Notice, Overage, Owed, Place
from creditfold.core.exact import INT64_MAX, decimal, half_even
from creditfold.core.facts import MeterDeclared, RatedAmount, UsageRecorded
from creditfold.core.order import sort_key
from creditfold.core.rejections import Code, Rejection, highest
from creditfold.core.state import OVERAGE, WALLET, OpenOverage, Terms, Wallet
from creditfold.core.times import rfc3339


class Rest(Struct):
    """What of a usage is still to be paid, in the unit of the block asked last.

    After unit A paid a part, unit B owes HE(cost_B * rest_A / cost_A); `owed` shows both.
    """

    price: Price
    amount: int
    owed: Owed | None = None

    def in_unit(self, price: Price) -> int:
        """The rest in another unit: the one place where a usage's cost is rounded."""
        return half_even(price.amount * self.amount, self.price.amount)

    def move_to(self, price: Price) -> None:
        """Restate the rest in another unit."""
        amount = self.in_unit(price)
        self.owed = Owed(
            cost=decimal(price.amount, price.exponent),
            quantity=decimal(amount, price.exponent),
            from_unit=self.price.unit,
            from_cost=decimal(self.price.amount, self.price.exponent),
            from_rest=decimal(self.amount, self.price.exponent),
        )
        self.price, self.amount = price, amount


def record(draft: Draft, body: UsageRecorded, usage_id: str) -> Rejection | None:
    """Draw the usage from the blocks that are valid at its event time."""
    meter = draft.catalog.meters.get(body.meter)
    if meter is None:
        return Rejection(
            Code.UNKNOWN_METER, f"meter {body.meter} was not declared: publish meter.declared first"
        )
    quantity = steps(body.quantity, meter.exponent, "quantity")
    rated = None if body.amount is None else _rated(draft, body.amount)
    if isinstance(quantity, Rejection) or isinstance(rated, Rejection):
        return highest(each for each in (rated, quantity) if isinstance(each, Rejection))
    prices = draft.catalog.prices(draft.customer, meter, quantity, body.properties, draft.time)
    if rated is not None:
        prices[rated.unit] = rated
    refusal = _too_much(draft, meter, quantity, prices)
    if refusal is not None:
        return refusal
    usage = Usage(usage_id, meter.meter, meter.product)
    rest = _draw(draft, body, usage, prices) if prices else None
    if rest is None or rest.amount:
        _overage(draft, meter, quantity, prices, rest)
    return None


def _too_much(
    draft: Draft, meter: MeterDeclared, quantity: int, prices: Mapping[str, Price]
) -> Rejection | None:
    """Why a cost, or the overage that it might be added to, is beyond one amount."""
    overage = draft.edit_account().overage
    unpriced = Price(f"meter:{meter.meter}", meter.exponent, quantity, None)
    for price in (unpriced, *prices.values()):
        if price.amount > INT64_MAX - overage.get(price.unit, 0):
            return Rejection(
                Code.QUANTITY_OUT_OF_RANGE,
                f"this usage is {decimal(price.amount, price.exponent)} {price.unit}, which with "
                "what is open already is more than one amount can hold: split it, or bill",
            )
    return None


def _rated(draft: Draft, amount: RatedAmount) -> Price | Rejection:
    exponent = draft.catalog.exponent(amount.unit)
    if exponent is None:
        return Rejection(
            Code.UNKNOWN_UNIT, f"amount is in unit {amount.unit}, which was not declared"
        )
    cost = steps(amount.quantity, exponent, "amount")
    return cost if isinstance(cost, Rejection) else Price(amount.unit, exponent, cost, None)


def _draw(
    draft: Draft, body: UsageRecorded, usage: Usage, prices: Mapping[str, Price]
) -> Rest | None:
    """Draw from the blocks in order; the rest, or None where no block could be asked."""
    rest: Rest | None = None
    exhausted: set[str] = set()
    for block_id in _burn_order(draft):
        terms = draft.terms(block_id)
        assert terms is not None
        if not _covers(terms, body, usage, prices, draft.time):
            continue
        if rest is None:
            rest = Rest(prices[terms.unit], prices[terms.unit].amount)
        elif rest.price.unit != terms.unit:
            if not rest.in_unit(prices[terms.unit]):
                continue  # too small a rest for this unit: it stays owed in the other
            rest.move_to(prices[terms.unit])
        if _draw_block(draft, block_id, terms, usage, rest):
            exhausted.add(block_id)
        if not rest.amount:
            break
    if exhausted:
        exhaust(draft, exhausted)
    return rest


def _burn_order(draft: Draft) -> Sequence[str]:
    wallet: Wallet | None = draft.get(WALLET)
    if wallet is None:
        return ()
    current = draft.catalog.policy(draft.now)[0].draw_order
    if wallet.order == current == draft.policy.draw_order:
        return wallet.blocks

    def ordered(order: tuple[str, ...]) -> tuple[str, ...]:
        def key(block: str) -> tuple[object, ...]:
            terms = draft.terms(block)
            assert terms is not None
            return sort_key(order, block, terms)

        return tuple(sorted(wallet.blocks, key=key))

    if wallet.order != current:
        draft.put(WALLET, "", Wallet(current, ordered(current)))
    return ordered(draft.policy.draw_order)


def _covers(
    terms: Terms, body: UsageRecorded, usage: Usage, prices: Mapping[str, Price], time: int
) -> bool:
    """Valid at the event time, priced in the block's unit, and inside its scope."""
    if time < terms.effective_at or (terms.expires_at is not None and time >= terms.expires_at):
        return False
    if terms.unit not in prices:
        return False
    return terms.scope is None or terms.scope.matches(usage.product, usage.meter, body.properties)


def _draw_block(draft: Draft, block_id: str, terms: Terms, usage: Usage, rest: Rest) -> bool:
    """Pay what the block can of the rest; whether nothing is left in it that usage could draw.

    Usage may come ahead of the log's clock by minutes, or behind it within the window: of a
    block whose interval contains the event time, what it draws is activated or reopened for it.
    """
    block = draft.edit_block(block_id)
    left = block.available + block.issued + block.expired
    part = min(rest.amount, left)
    if part:
        asleep = Place.ISSUED if block.issued else Place.EXPIRED if block.expired else None
        if asleep is not None:
            assert not block.available, f"block {block_id} is {asleep} and available at once"
            draft.move(block_id, terms, asleep, Place.AVAILABLE, part)
        draft.move(
            block_id,
            terms,
            Place.AVAILABLE,
            Place.DRAWN,
            part,
            usage=usage,
            rate=rest.price.rate,
            owed=rest.owed,
        )
        rest.amount -= part
        rest.owed = None
        reopened = asleep is Place.EXPIRED
        revenue.post_draw(draft, block_id, terms, part, usage.product, reopened=reopened)
    return part == left


def _overage(
    draft: Draft,
    meter: MeterDeclared,
    quantity: int,
    prices: Mapping[str, Price],
    rest: Rest | None,
) -> None:
    """Enter what no block covered: priced in the customer's currency, or without a price."""
    account = draft.edit_account()
    price = prices.get(account.currency)
    id_ = f"{draft.outcome}.o1"
    uncovered = quantity
    if rest is not None:
        uncovered = half_even(quantity * rest.amount, rest.price.amount)
    shown = decimal(uncovered, meter.exponent)
    if price is None:
        unit, amount, posted = f"meter:{meter.meter}", uncovered, 0
        draft.overage.append(Overage(id_, meter.meter, meter.product, shown))
        draft.notices.append(
            Notice(
                notice=f"{draft.outcome}.n1",
                what="unpriced_usage",
                customer=draft.customer,
                outcome=draft.outcome,
                effective_at=rfc3339(draft.time),
                meter=meter.meter,
                product=meter.product,
                quantity=shown,
            )
        )
    else:
        if rest is None:
            rest = Rest(price, price.amount)
        elif rest.price.unit != price.unit:
            rest.move_to(price)
        unit, amount = price.unit, rest.amount
        draft.overage.append(
            Overage(
                id_,
                meter.meter,
                meter.product,
                shown,
                unit=unit,
                amount=decimal(amount, price.exponent),
                rate=price.rate,
                owed=rest.owed,
            )
        )
        posted = revenue.accrue(draft, meter.meter, meter.product, unit, amount, price.exponent)
    if amount:
        account.overage = {**account.overage, unit: account.overage.get(unit, 0) + amount}
        draft.put(
            OVERAGE, id_, OpenOverage(meter.meter, meter.product, draft.time, unit, amount, posted)
        )

"""What is to be paid, and which blocks may: the one rule that usage, holds and repayment share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from creditfold.core import revenue
from creditfold.core.blocks import steps
from creditfold.core.counted import Usage
from creditfold.core.draft import Draft
from creditfold.core.entries import DRAWN, Owed, Place
from creditfold.core.exact import INT64_MAX, Exact, decimal, half_even
from creditfold.core.facts import MeterDeclared, RatedAmount
from creditfold.core.order import sort_key
from creditfold.core.predicate import Value
from creditfold.core.program_state import SUBSCRIPTION, Subscription
from creditfold.core.rejections import Code, Rejection, gravest
from creditfold.core.scope import Scope
from creditfold.core.state import PROFILE, WALLET, Price, Profile, Terms, Wallet


class Rest(Struct):
    """What is still to be paid, in the unit of the block asked last.

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


class Demand(Struct):
    """A quantity of a meter at a time, its full price in each unit, and the rest once asked.

    Without a meter it is an amount of one unit, for any usage.
    """

    time: int
    prices: Mapping[str, Price]
    meter: MeterDeclared | None = None
    quantity: int = 0
    properties: Mapping[str, Value] = {}
    rest: Rest | None = None

    @property
    def paid(self) -> bool:
        """Whether blocks were asked and nothing is left."""
        return self.rest is not None and not self.rest.amount

    def fits(self, terms: Terms) -> bool:
        """For usage, priced in the block's unit, and inside its scope.

        What may be for any usage takes from blocks that may pay for any.
        """
        return terms.pays_usage and self.reached(terms.unit, terms.scope)

    def reached(self, unit: str, scope: Scope | None) -> bool:
        """As `fits`, of credit that has no block yet."""
        if unit not in self.prices:
            return False
        if scope is None:
            return True
        meter = self.meter
        return meter is not None and scope.matches(meter.product, meter.meter, self.properties)

    def covered_by(self, terms: Terms) -> bool:
        """As `fits`, and valid at the time."""
        if self.time < terms.effective_at:
            return False
        return (terms.expires_at is None or self.time < terms.expires_at) and self.fits(terms)

    def ask(self, unit: str) -> bool:
        """Ask a block of this unit; whether anything is owed in it.

        A rest that would round to nothing in the unit stays owed in the other.
        """
        price = self.prices[unit]
        if self.rest is None:
            self.rest = Rest(price, price.amount)
        elif self.rest.price.unit != unit:
            if not self.rest.in_unit(price):
                return False
            self.rest.move_to(price)
        return True

    def pay(self, amount: int) -> None:
        """A block took over this much of the rest."""
        assert self.rest is not None
        assert 0 <= amount <= self.rest.amount
        self.rest.amount -= amount
        self.rest.owed = None


def metered(
    draft: Draft,
    name: str,
    quantity: Exact,
    properties: Mapping[str, Value],
    rated: RatedAmount | None = None,
    subscription: str | None = None,
) -> Demand | Rejection:
    """What a quantity of a meter asks for at the draft's time, by the subscription's prices."""
    meter = draft.catalog.meters.get(name)
    if meter is None:
        return Rejection(
            Code.UNKNOWN_METER, f"meter {name} was not declared: publish meter.declared first"
        )
    counted = steps(quantity, meter.exponent, "quantity")
    given = None if rated is None else _rated(draft, rated)
    if isinstance(counted, Rejection) or isinstance(given, Rejection):
        return gravest(each for each in (given, counted) if isinstance(each, Rejection))
    plans = _plans(draft, subscription) if draft.catalog.prices_plans else ()
    prices = draft.catalog.prices(draft.customer, meter, counted, properties, draft.time, plans)
    if given is not None:
        prices[given.unit] = given
    demand = Demand(draft.time, prices, meter, counted, properties)
    refusal = too_much(draft, meter.meter, meter.exponent, counted, prices)
    return demand if refusal is None else refusal


def _plans(draft: Draft, subscription: str | None) -> Sequence[str]:
    """Whose prices count: the plan of the subscription, else of each that the customer has."""
    profile: Profile = draft.get(PROFILE)
    known: list[Subscription | None] = [
        draft.get(SUBSCRIPTION, id_)
        for id_ in (profile.subscriptions if subscription is None else (subscription,))
    ]
    plans = (None if each is None else each.plan_at(draft.time) for each in known)
    return [plan for plan in plans if plan is not None]


def declared(draft: Draft, name: str, product: str) -> MeterDeclared:
    """The meter as usage had it that was of this product: it may be of another by now."""
    meter = draft.catalog.meters[name]
    return meter if meter.product == product else replace(meter, product=product)


def amount_of(draft: Draft, unit: str, quantity: Exact) -> Demand | Rejection:
    """An amount of one unit, for any usage."""
    price = _rated(draft, RatedAmount(unit, quantity))
    return price if isinstance(price, Rejection) else Demand(draft.time, {unit: price})


def _rated(draft: Draft, amount: RatedAmount) -> Price | Rejection:
    exponent = draft.catalog.exponent(amount.unit)
    if exponent is None:
        return Rejection(
            Code.UNKNOWN_UNIT, f"amount is in unit {amount.unit}, which was not declared"
        )
    cost = steps(amount.quantity, exponent, "amount")
    return cost if isinstance(cost, Rejection) else Price(amount.unit, exponent, cost, None)


def too_much(
    draft: Draft, meter: str, exponent: int, quantity: int, prices: Mapping[str, Price]
) -> Rejection | None:
    """Why a cost, or the overage that it might be added to, is beyond one amount."""
    left, unpriced = draft.account.overage, f"meter:{meter}"
    beyond = [each for each in prices.values() if each.amount > INT64_MAX - left.get(each.unit, 0)]
    if quantity > INT64_MAX - left.get(unpriced, 0):
        beyond.insert(0, Price(unpriced, exponent, quantity, None))
    if not beyond:
        return None
    price = beyond[0]
    return Rejection(
        Code.QUANTITY_OUT_OF_RANGE,
        f"this usage is {decimal(price.amount, price.exponent)} {price.unit}, which with "
        "what is open already is more than one amount can hold: split it, or bill",
    )


def burn_order(draft: Draft) -> Sequence[str]:
    """The blocks in the wallet in the order of the policy for the draft's time."""
    wallet: Wallet | None = draft.get(WALLET)
    if wallet is None:
        return ()
    if len(draft.catalog.draw_orders) == 1:
        return wallet.blocks
    current = draft.catalog.policy(draft.now)[0].draw_order
    if wallet.order == current == draft.policy.draw_order:
        return wallet.blocks

    def ordered(order: tuple[str, ...]) -> tuple[str, ...]:
        def key(block: str) -> tuple[object, ...]:
            return sort_key(order, block, draft.granted(block))

        return tuple(sorted(wallet.blocks, key=key))

    if wallet.order != current:
        draft.put(WALLET, "", Wallet(current, ordered(current)))
    return ordered(draft.policy.draw_order)


def draw_from(
    draft: Draft,
    demand: Demand,
    block_id: str,
    terms: Terms,
    source: Place,
    part: int,
    usage: Usage,
    *,
    hold: str | None = None,
    repays: str | None = None,
    reopened: bool = False,
) -> None:
    """Let one place of a block pay a part of the rest: its units, and the revenue they earn."""
    rest = demand.rest
    assert rest is not None
    draft.move(
        block_id,
        terms,
        source,
        DRAWN,
        part,
        usage=usage,
        rate=rest.price.rate,
        owed=rest.owed,
        hold=hold,
        repays=repays,
    )
    demand.pay(part)
    revenue.post_draw(draft, block_id, terms, part, usage.product, reopened=reopened)

"""The naive model: what usage pays from, and what is held for it before."""

from __future__ import annotations

import copy
from fractions import Fraction
from typing import Any

from properties.events import Event, instant
from properties.model import (
    ORDER,
    Block,
    Customer,
    Hold,
    Model,
    Over,
    Refused,
    burn_key,
    in_scope,
)


def positive(value: str, decimals: int) -> Fraction:
    """A number above 0 that needs no more than these decimals."""
    number = Fraction(value)
    if number <= 0:
        raise Refused("quantity_not_positive")
    if (number * 10**decimals).denominator != 1:
        raise Refused("quantity_not_exact")
    return number


class Bill:
    """A cost in several units, paid in the unit of the block that is asked last."""

    def __init__(self, model: Model, costs: dict[str, Fraction]) -> None:
        self.model, self.costs = model, costs
        self.asked, self.rest = "", Fraction(0)

    @property
    def paid(self) -> bool:
        return bool(self.asked) and self.rest == 0

    def owed(self, unit: str) -> Fraction:
        if self.asked in ("", unit):
            return self.rest if self.asked else self.costs[unit]
        return self.model.to_step(self.costs[unit] * self.rest / self.costs[self.asked], unit)

    def take(self, unit: str, left: Fraction) -> Fraction:
        """What a block of this unit pays; a rest that rounds to nothing in it stays as it is."""
        owed = self.owed(unit)
        if owed == 0 and self.asked not in ("", unit):
            return Fraction(0)
        self.asked, part = unit, min(owed, left)
        self.rest = owed - part
        return part


def use(model: Model, customer: Customer, event: Event, time: int) -> None:  # noqa: C901  # plain beats short in a model
    data, properties = event["data"], event["data"].get("properties", {})
    meter = model.meters.get(data["meter"])
    if meter is None:
        raise Refused("unknown_meter")
    exponent, product = meter.get("exponent", 0), meter["product"]
    quantity = positive(data["quantity"], exponent)
    costs = model.costs(customer.id, data["meter"], quantity, properties, time)
    if "amount" in data:
        unit = data["amount"]["unit"]
        if model.decimals(unit) is None:
            raise Refused("unknown_unit")
        costs[unit] = positive(data["amount"]["quantity"], model.decimals(unit))
    bill = Bill(model, costs)
    named = data.get("hold", {})
    hold = customer.holds.get(named.get("hold"))
    if hold and hold.expires_at <= time:
        hold = None  # by then it has ended
    kept = []
    for name, amount in hold.parts if hold else []:
        block, part = customer.blocks[name], Fraction(0)
        scoped = in_scope(block.scope, product, data["meter"], properties)
        if block.effective_at <= time and block.unit in costs and scoped and not bill.paid:
            part = bill.take(block.unit, amount)
        if part:
            block.draw(part, product, held=True)
        kept.append((name, amount - part))
    if hold:
        hold.parts = [(name, amount) for name, amount in kept if amount]
    order = model.policy("draw.order", time, ORDER)
    for block in sorted(customer.for_usage, key=lambda each: burn_key(order, each)):
        scoped = in_scope(block.scope, product, data["meter"], properties)
        if bill.paid or not (block.covers(time) and block.left and block.unit in costs and scoped):
            continue
        part = bill.take(block.unit, block.left)
        if part:
            block.draw(part, product)
    if not bill.paid:
        unit, amount = _overage(model, customer, event, time, bill, quantity)
        if hold and hold.unit == unit:
            hold.credit -= min(hold.credit, amount)
    if hold and named.get("final"):
        customer.give_back(named["hold"], model.now)


def _overage(
    model: Model, customer: Customer, event: Event, time: int, bill: Bill, quantity: Fraction
) -> tuple[str, Fraction]:
    """Enter what no block paid; its unit and amount."""
    data, costs, currency = event["data"], bill.costs, customer.currency
    who, meter = (event["source"], event["id"], time), data["meter"]
    units = [bill.asked, currency, *sorted(costs), "default"]
    usual = model.policy("overage.default", time, "bill")
    choice = next((customer.choices[u] for u in units if u in customer.choices), usual)
    unit, amount = uncovered(model, currency, meter, bill, quantity)
    if choice in ("block", "buffer"):
        return f"meter:{meter}", Fraction(0)
    if unit == currency:
        key = (currency, meter)
        customer.accrued[key] = customer.accrued.get(key, Fraction(0)) + amount
    over = Over(who, meter, time, unit, amount)
    if choice == "carry":
        over.carried = (copy.copy(bill), quantity, data.get("properties", {}))
    customer.overage.append(over)
    return unit, amount


def uncovered(
    model: Model, currency: str, meter: str, bill: Bill, quantity: Fraction
) -> tuple[str, Fraction]:
    """What is left of a bill: in the currency where that has a price, else of the meter."""
    share = bill.rest / bill.costs[bill.asked] if bill.asked and bill.rest else Fraction(1)
    if bill.paid:
        share = Fraction(0)
    if currency in bill.costs:
        full = bill.costs[currency]
        same = bill.asked == currency
        return currency, bill.rest if same else model.to_step(full * share, currency)
    scale = 10 ** model.meters[meter].get("exponent", 0)
    return f"meter:{meter}", Fraction(round(quantity * share * scale), scale)


def repay(model: Model, customer: Customer, time: int) -> None:
    """Credit that is there pays what is carried, oldest first."""
    order = model.policy("draw.order", time, ORDER, known=time)
    owing = [over for over in customer.overage if over.carried is not None]
    for over in sorted(owing, key=lambda each: (each.time, each.id)):
        bill, quantity, properties = over.carried
        product = model.meters[over.meter]["product"]
        for block in sorted(customer.for_usage, key=lambda each: burn_key(order, each)):
            scoped = in_scope(block.scope, product, over.meter, properties)
            if bill.paid or not (block.available and block.unit in bill.costs and scoped):
                continue
            if part := bill.take(block.unit, block.available):
                block.draw(part, product)
        _, left = uncovered(model, customer.currency, over.meter, bill, quantity)
        if over.unit == customer.currency:
            customer.accrued[over.unit, over.meter] -= over.amount - left
        over.amount = left
    customer.overage = [over for over in customer.overage if over.amount or not over.carried]


# Holds


def place(model: Model, customer: Customer, event: Event, time: int) -> None:  # noqa: C901  # plain beats short in a model
    data, properties = event["data"], event["data"].get("properties", {})
    if "meter" in data:
        meter = model.meters.get(data["meter"])
        if meter is None:
            raise Refused("unknown_meter")
        quantity = positive(data["quantity"], meter.get("exponent", 0))
        costs = model.costs(customer.id, data["meter"], quantity, properties, time)
    else:
        meter = None
        if model.decimals(data["unit"]) is None:
            raise Refused("unknown_unit")
        costs = {data["unit"]: positive(data["quantity"], model.decimals(data["unit"]))}
    ends = instant(data["expires_at"])
    if ends <= max(time, model.now):
        raise Refused("empty_interval")
    if data["hold"] in customer.holds:
        raise Refused("hold_exists")
    order = model.policy("draw.order", time, ORDER)

    def fits(block: Block) -> bool:
        if not block.covers(time) or block.unit not in costs:
            return False
        if meter is None:
            return not block.scope
        return in_scope(block.scope, meter["product"], data["meter"], properties)

    def attempt(*, alone: bool) -> tuple[list[tuple[str, Fraction]], str, Fraction] | None:
        bill, parts = Bill(model, costs), []
        for block in sorted(customer.for_usage, key=lambda each: burn_key(order, each)):
            left = block.available + (block.held if alone else 0)
            if not bill.paid and left and fits(block) and (part := bill.take(block.unit, left)):
                parts.append((block.id, part))
        if bill.paid:
            return parts, "", Fraction(0)
        for unit in sorted(costs, key=lambda unit: (unit != customer.currency, unit)):
            taken = customer.owing().get(unit, Fraction(0))
            if not alone:
                taken += sum(hold.credit for hold in customer.holds.values() if hold.unit == unit)
            rest = bill.owed(unit) if bill.asked != "" else costs[unit]
            room = customer.credit_limits.get(unit, Fraction(0)) - taken
            usual = customer.choices.get("default", model.policy("overage.default", time, "bill"))
            if customer.choices.get(unit, usual) in ("block", "buffer"):
                room = Fraction(0)  # nobody would owe it
            if rest <= room:
                return parts, unit, rest
        return None

    found = attempt(alone=False)
    if found is None:
        raise Refused("not_enough" if attempt(alone=True) is None else "held")
    for name, part in found[0]:
        customer.blocks[name].available -= part
        customer.blocks[name].held += part
    customer.holds[data["hold"]] = Hold(ends, *found, data.get("meter"), properties)


def settle(model: Model, customer: Customer, event: Event, time: int) -> None:
    data = event["data"]
    hold = customer.holds.get(data["hold"])
    if Fraction(data["quantity"]) == 0:
        release(model, customer, event, time)
        return
    usage: Any = {"quantity": data["quantity"], "hold": {"hold": data["hold"], "final": True}}
    usage["meter"] = data.get("meter", hold.meter if hold else None)
    usage["properties"] = data.get("properties", hold.properties if hold else {})
    if hold is None or usage["meter"] is None:
        raise Refused("meter_missing" if hold else "unknown_hold")
    use(model, customer, event | {"data": usage}, time)


def release(model: Model, customer: Customer, event: Event, _time: int) -> None:
    if event["data"]["hold"] not in customer.holds:
        raise Refused("unknown_hold")
    customer.give_back(event["data"]["hold"], model.now)

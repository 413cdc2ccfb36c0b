"""The five plans of the demo: amounts for the bundled slice, times in percent of the trace."""

from __future__ import annotations

from typing import Literal, NamedTuple


class Sale(NamedTuple):
    """A block of USD credit: cents of list price, for `price_percent` of them in money."""

    name: str
    quantity: int
    price_percent: int = 100
    begins: int | None = None
    ends: int | None = None


class Plan(NamedTuple):
    """What a customer has. `paid` is when the invoice is paid: 0 before the trace, None never."""

    name: str
    promotional: int = 0
    promotional_until: int | None = None
    fee: int = 0
    sales: tuple[Sale, ...] = ()
    recognition: Literal["on_issue", "on_payment"] = "on_issue"
    paid: tuple[int | None, ...] = ()

    def paid_at(self, number: int) -> int | None:
        """When this customer pays; the customers of a plan differ in turn."""
        return self.paid[number // len(PLANS) % len(self.paid)]


PLANS = (
    Plan("pay-as-you-go"),
    Plan(
        "prepaid",
        promotional=20,
        fee=100,
        sales=(Sale("year", 250),),
        paid=(0, 0, 50, None),
    ),
    Plan(
        "renewing",
        sales=(Sale("first", 60, ends=50), Sale("second", 90, price_percent=80, begins=50)),
        paid=(0,),
    ),
    Plan(
        "on-payment",
        promotional=15,
        promotional_until=33,
        sales=(Sale("pack", 50),),
        recognition="on_payment",
        paid=(67, None),
    ),
    Plan("trial", promotional=30, promotional_until=67),
)


def plan_of(number: int) -> Plan:
    """The plan of customer c-<number>."""
    return PLANS[number % len(PLANS)]

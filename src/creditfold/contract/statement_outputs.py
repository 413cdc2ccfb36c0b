"""A statement as its notice tells it, and the one that is open; readers are tolerant."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from creditfold.contract.output_fields import Decimal, Instant, Output
from creditfold.core.facts import Kind


class CoveredSum(Output):
    """How much credit of one kind and unit covered in a period."""

    kind: Kind = Field(description="What sort of credit it was.")
    unit: str = Field(description="What it is counted in.")
    quantity: Decimal = Field(description="How much of it was drawn, less what was given back.")


class OverageSum(Output):
    """What no block covered in a period, by the policy and rate; without a unit it has no price."""

    quantity: Decimal = Field(description="Of the meter; below zero it is taken back.")
    policy: Literal["carry", "buffer", "block"] | None = Field(
        None, description="Absent: it is to be billed; otherwise as in an outcome's overage."
    )
    unit: str | None = Field(None, description="The currency of its price.")
    rate: Decimal | None = Field(None, description="The price of one of the meter.")
    amount: Decimal | None = Field(None, description="Its exact price.")


class StatementLine(Output):
    """Usage of one meter; `earlier` is what changed of usage before the period."""

    meter: str = Field(description="The meter.")
    product: str = Field(description="The product of that meter.")
    quantity: Decimal = Field(description="How much was used.")
    subscription: str | None = Field(None, description="The subscription that the usage named.")
    earlier: bool = Field(
        False, description="true: a correction, of usage that is older than the period."
    )
    covered: tuple[CoveredSum, ...] = Field((), description="What credit covered, by kind.")
    overage: tuple[OverageSum, ...] = Field((), description="What none covered, by rate.")


class ShortfallSum(Output):
    """What is owed more of a commitment since the statement before, or less."""

    id: str = Field(description="The shortfall's id, as outcomes have it.")
    subscription: str = Field(description="The subscription that committed.")
    currency: str = Field(description="The currency of the amount.")
    amount: Decimal = Field(description="How much more is owed; below zero it is less.")
    earlier: bool = Field(False, description="true: of a term that ended before the period.")


class StatementSent(Output):
    """What was entered about a customer's usage in [from, to), and since the statement before."""

    id: str = Field(description="Its id, which an invoice's arrears_for may name.")
    from_: Instant = Field(alias="from", description="When the period begins.")
    to: Instant = Field(description="The first instant after it.")
    lines: tuple[StatementLine, ...] = Field(description="By subscription, meter and product.")
    part: int = Field(1, ge=1, description="A long statement goes out in parts: which this is.")
    parts: int = Field(1, ge=1, description="How many parts it has.")
    shortfalls: tuple[ShortfallSum, ...] = Field(
        (), description="What is owed of commitments; all of it stands in the first part."
    )


class OpenStatement(Output):
    """The statement that goes out next."""

    statement: str = Field(description="The id that it will have.")
    from_: Instant = Field(alias="from", description="When its period begins.")
    to: Instant = Field(description="When it goes out.")

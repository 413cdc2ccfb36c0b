"""Commitments on the wire: what a subscription commits to in each term."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import ConfigDict, Field, model_validator

from creditfold.contract.fields import Amount, Data, Interval, Name, Quantity, invalid
from creditfold.core import commitment_facts as facts
from creditfold.core.currencies import MINOR_EXPONENT
from creditfold.core.times import DAY

ShortfallName: TypeAlias = Literal["at_period_end", "proportional"]


class CommitmentData(Data):
    """A minimum over each term. Usage of the customer counts towards it, and what is missing at
    the term's end is owed."""

    model_config = ConfigDict(title="Commitment")

    unit: Name = Field(description="What it is counted in: a currency or a declared unit.")
    quantity: Quantity = Field(description="The least of each term.")
    term: Interval = Field(
        description="How long a term is, a day or more; counted as the periods are."
    )
    rate: Amount | None = Field(
        None,
        description="What one of the unit costs that is missing: in the unit where it is a "
        "currency (absent: 1), else in the customer's currency.",
    )
    expected: Quantity | None = Field(
        None,
        description="What of the quantity is expected to be used. Without it nothing is earned "
        "before the term ends.",
    )
    shortfall: ShortfallName | None = Field(
        None, description="When what is missing is earned, over the policy shortfall.method."
    )

    @model_validator(mode="after")
    def _possible(self) -> CommitmentData:
        if self.rate is None and self.unit not in MINOR_EXPONENT:
            raise invalid(
                f"{self.unit} is no currency: give rate, the price of one that is missing"
            )
        if self.term.about < DAY:
            raise invalid("a term is a day or longer")
        if self.expected is not None and self.expected.compared(self.quantity) > 0:
            raise invalid("expected is above quantity: then no shortfall is, so leave it out")
        if self.expected is None and self.shortfall == "proportional":
            raise invalid("proportional needs expected: how much is likely to be used")
        return self

    def core(self) -> facts.Commitment:
        """As the fold reads it."""
        return facts.Commitment(
            self.unit,
            self.quantity,
            self.term,
            self.rate,
            self.expected,
            None if self.shortfall is None else facts.ShortfallMethod(self.shortfall),
        )

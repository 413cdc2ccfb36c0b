"""What happens to credit and payments after the fact, on the wire."""

from __future__ import annotations

from pydantic import Field

from creditfold.contract.fields import Amount, Data, Name, Quantity, Text, Time
from creditfold.contract.inputs import LIST_MAX
from creditfold.core import facts

_block: Name = Field(description="The block's id.")
_unused: Quantity | None = Field(
    None, description="How many of its unused units; absent is all of them."
)
_reason: Text = Field(min_length=1, description="Why, for auditors.")


class CreditVoided(Data):
    """Unused credit is taken back; what was drawn stays drawn."""

    block: Name = _block
    quantity: Quantity | None = _unused
    reason: Text = _reason

    def body(self) -> facts.CreditVoided:
        """As the fold reads it."""
        return facts.CreditVoided(self.block, self.quantity, self.reason)


class CreditAdjusted(Data):
    """How many units a block has is corrected; its price stays."""

    block: Name = _block
    quantity: Quantity = Field(description="What to add or, with a minus, to take; never 0.")
    reason: Text = _reason

    def body(self) -> facts.CreditAdjusted:
        """As the fold reads it."""
        return facts.CreditAdjusted(self.block, self.quantity, self.reason)


class CreditRefunded(Data):
    """A refund of unused credit is approved; payment.refunded pays it out."""

    block: Name = _block
    quantity: Quantity | None = _unused
    reason: Text = _reason

    def body(self) -> facts.CreditRefunded:
        """As the fold reads it."""
        return facts.CreditRefunded(self.block, self.quantity, self.reason)


class ExpiryChanged(Data):
    """A block that has not expired ends at another instant."""

    block: Name = _block
    expires_at: Time = Field(description="The first instant at which it is gone; not yet past.")

    def body(self) -> facts.ExpiryChanged:
        """As the fold reads it."""
        return facts.ExpiryChanged(self.block, self.expires_at)


class PaymentRefunded(Data):
    """Cash went back to the customer: what was approved first; the rest is approved by this."""

    invoice: Name = Field(description="The invoice whose payment goes back.")
    amount: Amount = Field(description="What went back, with tax, in the invoice's currency.")
    blocks: list[Name] | None = Field(
        None,
        min_length=1,
        max_length=LIST_MAX,
        description="The blocks that it is for; absent is all that the invoice sold.",
    )
    reason: Text | None = Field(None, description="Why, for auditors.")

    def body(self) -> facts.PaymentRefunded:
        """As the fold reads it."""
        return facts.PaymentRefunded(
            self.invoice, self.amount, tuple(self.blocks or ()), self.reason
        )

"""One input, and all that it can be about."""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from creditfold.core.change_facts import (
    CreditAdjusted,
    CreditNoteIssued,
    CreditRefunded,
    CreditVoided,
    ExpiryChanged,
    InvoiceVoided,
    InvoiceWrittenOff,
    PaymentDisputed,
    PaymentRefunded,
)
from creditfold.core.facts import (
    ClockHeld,
    ClockReleased,
    CreditGranted,
    CustomerCreated,
    CustomerUpdated,
    HoldPlaced,
    HoldReleased,
    HoldSettled,
    Malformed,
    MeterDeclared,
    RateCardPublished,
    UnitDeclared,
    UsageCorrected,
    UsageRecorded,
    UsageRetracted,
)
from creditfold.core.invoice_facts import InvoiceIssued, InvoicePaid
from creditfold.core.policy_facts import PolicyPublished
from creditfold.core.program_facts import (
    ProgramAttached,
    ProgramDetached,
    ProgramEnded,
    ProgramPublished,
    ProgramReset,
    SubscriptionCancelled,
    SubscriptionChanged,
    SubscriptionPaused,
    SubscriptionRenewed,
    SubscriptionResumed,
    SubscriptionStarted,
)
from creditfold.core.top_up_facts import TopUpDeclined
from creditfold.core.transfer_facts import (
    CreditTransferred,
    TransferAccepted,
    TransferOffered,
    TransferReturned,
)

SubscriptionBody: TypeAlias = (
    SubscriptionStarted
    | SubscriptionChanged
    | SubscriptionRenewed
    | SubscriptionPaused
    | SubscriptionResumed
    | SubscriptionCancelled
)
CustomerBody: TypeAlias = (
    UsageRecorded  # what there is most of is asked for first
    | CustomerCreated
    | CustomerUpdated
    | CreditGranted
    | CreditVoided
    | CreditAdjusted
    | CreditRefunded
    | ExpiryChanged
    | TopUpDeclined
    | HoldPlaced
    | HoldSettled
    | HoldReleased
    | UsageCorrected
    | UsageRetracted
    | InvoiceIssued
    | InvoicePaid
    | PaymentRefunded
    | ProgramAttached
    | ProgramDetached
    | ProgramReset
    | SubscriptionBody
    | PaymentDisputed
    | CreditTransferred
    | TransferOffered
    | TransferAccepted
    | TransferReturned
    | InvoiceVoided
    | InvoiceWrittenOff
    | CreditNoteIssued
)
PassingBody: TypeAlias = (
    UsageRecorded | UsageCorrected | UsageRetracted | HoldPlaced | HoldSettled | HoldReleased
)
"""What there is so much of that its ids are remembered for the late window only."""
CatalogBody: TypeAlias = (
    UnitDeclared
    | MeterDeclared
    | RateCardPublished
    | ProgramPublished
    | ProgramEnded
    | PolicyPublished
    | ClockHeld
    | ClockReleased
)
Body: TypeAlias = CustomerBody | CatalogBody | Malformed


class Fact(Struct, frozen=True, gc=False):
    """One input: its identity (`source`, `id`), whose it is, when it happened, and what.

    `time` is when it happened and what the fold judges by; `recorded_at` is when the log learned
    of it and never goes back within a partition. Both are microseconds. `customer` is empty for
    catalog facts. `content` is the SHA-256 of canonical type, subject, time and data.
    """

    source: str
    id: str
    type: str
    customer: str
    time: int
    recorded_at: int
    content: bytes
    body: Body

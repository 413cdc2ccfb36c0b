"""A customer's balances as `creditfold.balance.snapshot.v1` tells them; readers are tolerant."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from creditfold.contract.output_fields import Decimal, Instant, Output
from creditfold.contract.statement_outputs import OpenStatement
from creditfold.core.facts import Kind
from creditfold.core.program_state import SubscriptionStatus


class UnpaidLine(Output):
    """An invoice line that sells a block and does not fund all of it yet."""

    invoice: str = Field(description="The invoice's id.")
    line: str = Field(description="The line's.")


class BlockBalance(Output):
    """Where a block's units are."""

    block: str = Field(description="The block's id.")
    kind: Kind = Field(description="What sort of credit it is.")
    program: str | None = Field(None, description="The program that granted it.")
    rolled_from: str | None = Field(None, description="The block from which it rolled over.")
    blends: tuple[str, ...] | None = Field(
        None, description="The blocks whose unused part was blended into it."
    )
    draws_on: Literal["invoice"] | None = Field(
        None, description="invoice: it pays invoices, and is not usable; absent: it pays usage."
    )
    transferred_from: str | None = Field(
        None, description="The <customer>:<block> that it came from."
    )
    effective_at: Instant = Field(
        description="From when it may be drawn; at the earliest, while it waits for its payment."
    )
    waits_for: tuple[UnpaidLine, ...] | None = Field(
        None,
        description="While it waits for its payment, the lines that it waits for; none: no line "
        "sells it yet. Absent: it does not wait.",
    )
    expires_at: Instant | None = Field(None, description="The first instant at which it is gone.")
    unit: str = Field(description="What it is counted in.")
    quantity: Decimal = Field(description="Its size: the sum of its places.")
    issued: Decimal = Field(description="Granted and not yet active.")
    available: Decimal = Field(description="What may be drawn.")
    held: Decimal = Field(description="What holds reserve.")
    drawn: Decimal = Field(description="What usage drew.")
    expired: Decimal = Field(description="What expired.")
    voided: Decimal = Field(description="What was voided.")
    refunded: Decimal = Field(description="What was refunded.")
    rolled_out: Decimal = Field(description="What rolled into another block.")
    transferred_out: Decimal = Field(description="What went to another customer.")
    applied: Decimal = Field(description="What paid invoices.")
    value: Decimal = Field(description="The price paid for it, as granted.")
    value_now: Decimal = Field(description="The price after what changed it since.")
    recognised: Decimal = Field(description="Revenue posted for it.")
    carrying: Decimal = Field(description="What is still owed: max(0, funded - recognised).")
    failed_period: tuple[Instant, Instant] | None = Field(
        None, description="The period [from, to) that it makes up for."
    )


class OpenHold(Output):
    """What an open hold has set aside."""

    hold: str = Field(description="The hold's id.")
    expires_at: Instant = Field(description="When it ends by itself.")
    blocks: dict[str, Decimal] = Field(
        description="What it has of each block, in the block's unit."
    )
    unit: str | None = Field(None, description="The unit on whose credit limit it stands, if any.")
    on_credit: Decimal | None = Field(None, description="How much of that is on the credit limit.")


class OpenTopUps(Output):
    """What was asked for of a unit, and when more may be."""

    unit: str = Field(description="The unit.")
    threshold: Decimal | None = Field(
        None, description="At or below this it is asked for; absent: never."
    )
    pending: dict[str, Decimal] = Field(description="How much each unanswered notice asked for.")
    next_at: Instant | None = Field(None, description="Before this nothing is asked for.")


class Enrolment(Output):
    """What a program has granted so far, and what it grants next by all that is known."""

    program: str = Field(description="The program's id.")
    subscription: str | None = Field(None, description="The subscription that it grants for.")
    granted: int = Field(description="How many grants so far.")
    covered_until: Instant | None = Field(
        None, description="Until when the last grant counts; absent is for ever, or no grant yet."
    )
    next_at: Instant | None = Field(None, description="When the next grant is due; absent: never.")


class SubscriptionState(Output):
    """A subscription as it is."""

    subscription: str = Field(description="Its id.")
    plan: str = Field(description="What is subscribed to.")
    status: SubscriptionStatus = Field(description="active, paused or cancelled.")
    period_ends_at: Instant | None = Field(None, description="When the present period ends.")
    at_period_end: SubscriptionStatus | None = Field(
        None, description="What it becomes then; absent: what it is."
    )
    next_plan: str | None = Field(None, description="The plan that it then changes to.")
    trial_until: Instant | None = Field(None, description="When its trial ends, while that lasts.")
    products: tuple[str, ...] | None = Field(None, description="The products in it.")


class CommitmentState(Output):
    """A term of a commitment, and how it stands."""

    subscription: str = Field(description="The subscription that commits.")
    shortfall: str = Field(description="The id under which what is missing is billed.")
    begins_at: Instant = Field(description="When the term began.")
    ends_at: Instant | None = Field(None, description="When it ends; absent: never.")
    ended: bool = Field(description="Whether it has, and its shortfall is owed.")
    unit: str = Field(description="What it is counted in.")
    committed: Decimal = Field(description="The least of the term.")
    counted: Decimal = Field(description="What counts towards it so far.")
    forecast: Decimal = Field(
        description="What is missing at its end, or will be if usage goes on as so far."
    )
    currency: str = Field(description="The currency of the amounts.")
    amount: Decimal = Field(description="What of the shortfall is revenue.")
    to_bill: Decimal = Field(
        description="What of it no invoice has billed; below zero: what was billed too much."
    )


class Snapshot(Output):
    """All that a customer has, at an instant."""

    at: Instant = Field(description="The instant.")
    blocks: tuple[BlockBalance, ...] = Field(description="All blocks, dead ones too.")
    usable: dict[str, Decimal] = Field(description="What usage may draw, by unit.")
    for_invoices: dict[str, Decimal] = Field(
        {}, description="What may pay invoices, by currency: it draws on them and not on usage."
    )
    overage: dict[str, Decimal] = Field(
        description="Overage not invoiced, by unit of its price, else by meter:<meter>."
    )
    unpaid: dict[str, Decimal] = Field({}, description="What may be used once it is paid, by unit.")
    held: dict[str, Decimal] = Field({}, description="What holds have of the blocks, by unit.")
    holds: tuple[OpenHold, ...] = Field((), description="All open holds.")
    top_ups: tuple[OpenTopUps, ...] = Field((), description="Top-ups, by unit.")
    credit_limits: dict[str, Decimal] = Field(
        {}, description="How much may be held beyond credit, by unit."
    )
    spendable: dict[str, Decimal] = Field(
        {},
        description="What a new hold could have at most, by unit: usable, and of the credit limit "
        "what neither open overage nor another hold has.",
    )
    programs: tuple[Enrolment, ...] = Field((), description="Programs that grant to it, or did.")
    subscriptions: tuple[SubscriptionState, ...] = Field((), description="All subscriptions.")
    next_statement: OpenStatement | None = Field(
        None, description="The statement that is open; absent where nothing is to be told yet."
    )
    commitments: tuple[CommitmentState, ...] = Field(
        (), description="All terms of commitments that have begun."
    )

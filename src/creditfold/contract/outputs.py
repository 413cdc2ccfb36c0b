"""What creditfold writes: ledger, revenue, notices and dead letters; readers are tolerant.

Amounts are decimal strings; postings alone use integer minor units. Absent is none.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from creditfold.contract.output_fields import Chain, Decimal, Instant, Output, Sha256
from creditfold.contract.snapshots import Snapshot
from creditfold.contract.statement_outputs import StatementSent
from creditfold.contract.topics import event_type
from creditfold.core.entries import Place, Status


class Owed(Output):
    """How a usage's rest moved from one unit to another: HE(cost * from_rest / from_cost)."""

    cost: Decimal = Field(description="The full cost of the usage in this unit.")
    quantity: Decimal = Field(description="What was left to pay in this unit.")
    from_unit: str = Field(description="The unit that had paid the part before.")
    from_cost: Decimal = Field(description="The full cost of the usage in that unit.")
    from_rest: Decimal = Field(description="What was left to pay in that unit.")


class Entry(Output):
    """An amount of one block moved between two of its places."""

    entry: str = Field(description="The entry's id.")
    block: str = Field(description="The credit block.")
    from_: Place = Field(alias="from", description="The place that it leaves.")
    to: Place = Field(description="The place that it enters.")
    unit: str = Field(description="The block's unit.")
    quantity: Decimal = Field(description="How much of the unit moved.")
    meter: str | None = Field(None, description="The meter of the usage that drew it.")
    product: str | None = Field(None, description="The product of that meter.")
    usage: str | None = Field(None, description="The usage that drew it.")
    rate: Decimal | None = Field(None, description="The price of one of the meter in the unit.")
    owed: Owed | None = Field(None, description="Where another unit had paid a part: how much.")
    hold: str | None = Field(None, description="The hold that has, had or used it.")
    repays: str | None = Field(None, description="The carried overage that it repays.")
    value: Decimal | None = Field(
        None, description="What of the block's value left with it, in the value's currency."
    )
    reverses: str | None = Field(None, description="The outcome whose draw this takes back.")
    invoice: str | None = Field(None, description="The invoice that it pays, or goes back from.")
    line: str | None = Field(None, description="The line of that invoice.")


class Overage(Output):
    """Usage that no block covered; without a unit it has no price in the customer's currency."""

    id: str = Field(description="The overage's id, to be named by the invoice that bills it.")
    meter: str = Field(description="The meter of the usage.")
    product: str = Field(description="The product of that meter.")
    quantity: Decimal = Field(description="Of the meter, half even to its exponent.")
    unit: str | None = Field(None, description="The currency of its price.")
    amount: Decimal | None = Field(None, description="Its exact price.")
    rate: Decimal | None = Field(None, description="The price of one of the meter.")
    owed: Owed | None = Field(None, description="Where a unit had paid a part: how much.")
    policy: Literal["carry", "buffer", "block"] | None = Field(
        None, description="carry: credit repays it; buffer, block: nobody owes it; absent: billed."
    )
    reverses: str | None = Field(
        None, description="The overage that is smaller by this: quantity and amount are negative."
    )
    usage: str | None = Field(
        None,
        description="Another usage than the outcome's own, of which so much more is uncovered, or "
        "less where below zero.",
    )


class Shortfall(Output):
    """How a commitment's term ended; a later one with the same id stands in the place of this."""

    id: str = Field(description="The shortfall's id, to be named by the invoice that bills it.")
    subscription: str = Field(description="The subscription that commits.")
    unit: str = Field(description="What the commitment is counted in.")
    committed: Decimal = Field(description="The least of the term.")
    counted: Decimal = Field(description="What counts towards it.")
    quantity: Decimal = Field(description="What is missing.")
    currency: str = Field(description="The currency of the amount.")
    amount: Decimal = Field(description="What is owed for it.")


class Cause(Output):
    """What an outcome answers: an input with its coordinates, or what fell due at an instant."""

    source: str | None = Field(None, description="The input's source.")
    id: str | None = Field(None, description="The input's id.")
    type: str | None = Field(None, description="The input's event type.")
    content: str | None = Field(None, description="SHA-256 of its type, subject, time and data.")
    topic: str | None = Field(None, description="Where the input was read.")
    partition: int | None = Field(None, description="Its partition.")
    offset: int | None = Field(None, description="Its offset.")
    clock: Instant | None = Field(None, description="The instant that fell due.")
    due: str | None = Field(None, description="What fell due then.")


class Emitted(Output):
    """What an outcome sent to the other topics."""

    postings: int = Field(description="How many postings.")
    notices: int = Field(description="How many notices.")
    sha256: Sha256 = Field(description="SHA-256 over their lines.")


class Sent(Output):
    """What an outcome tells another customer by way of transfers.v1."""

    id: str = Field(description="The record's id.")
    what: str = Field(description="offered, accepted or returned.")
    to: str = Field(description="The customer who is told.")
    effective_at: Instant = Field(description="When the credit was sent.")
    data: dict[str, Any] = Field(description="The record's data.")


class Outcome(Output):
    """What became of one input or clock step: the only record that changes a balance."""

    outcome: str = Field(description="The outcome's id, derived from its cause alone.")
    status: Status = Field(description="applied, rejected, duplicate or dead_letter.")
    cause: Cause = Field(description="What it answers.")
    customer: str | None = Field(None, description="Whose it is; absent for the catalog.")
    code: str | None = Field(None, description="Why it was refused: a stable code.")
    detail: str | None = Field(None, description="The same for people, with what to do.")
    seq: int | None = Field(None, description="Counts the customer's applied outcomes.")
    prev: Chain | None = Field(None, description="Hash of the customer's applied outcome before.")
    effective_at: Instant | None = Field(None, description="When it happened.")
    entries: tuple[Entry, ...] = Field((), description="What moved, in order.")
    overage: tuple[Overage, ...] = Field((), description="What no block covered.")
    shortfalls: tuple[Shortfall, ...] = Field(
        (), description="Terms of commitments that ended, or were found to end otherwise."
    )
    sent: tuple[Sent, ...] = Field((), description="What it told other customers.")
    balances: dict[str, Decimal] | None = Field(
        None, description="What is usable after it, by unit."
    )
    emitted: Emitted | None = Field(None, description="What it sent to the other topics.")
    hash: Chain | None = Field(
        None, description="SHA-256 of it without recorded_at, hash and the cause's coordinates."
    )
    recorded_at: Instant | None = Field(None, description="When the log learned of it.")


class Posting(Output):
    """One debit-credit pair of a journal entry: one row for a finance system."""

    posting: str = Field(description="The posting's id.")
    entry: str = Field(description="The journal entry that it belongs to.")
    line: int = Field(description="Its place in that journal entry, from 1.")
    customer: str = Field(description="Whose credit or invoice it is about.")
    book: str = Field(description="The book in which it is kept.")
    rule: str = Field(description="The accounting rule that made it.")
    effective_date: str = Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="The day on which it counts."
    )
    period: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$", description="The month of that day.")
    debit: str = Field(description="Account code.")
    credit: str = Field(description="Account code.")
    amount: int = Field(description="Integer minor units of the currency; above zero.")
    currency: str = Field(description="ISO 4217 code.")
    exponent: int = Field(description="Decimals of the minor unit.")
    cause: str = Field(description="The outcome that caused it.")
    policy: str = Field(description="Hash of the policy that it was made under.")
    proof: dict[str, str | int] = Field(description="The formula and its operands.")
    block: str | None = Field(None, description="The credit block.")
    credit_block: str | None = Field(
        None, description="The block that is credited, where it is another than the debited one."
    )
    product: str | None = Field(None, description="The product whose revenue it is.")
    invoice: str | None = Field(None, description="The invoice that it comes from.")
    contract: str | None = Field(None, description="The subscription that it comes from.")


class Notice(Output):
    """Something that a person or another system should know."""

    notice: str = Field(description="The notice's id.")
    what: str = Field(description="What it tells, as in its type.")
    customer: str = Field(description="Whom it is about.")
    outcome: str = Field(description="The outcome that caused it.")
    effective_at: Instant = Field(description="When that happened.")
    meter: str | None = Field(None, description="The meter of the usage.")
    product: str | None = Field(None, description="The product of that meter.")
    quantity: Decimal | None = Field(
        None,
        description="How much: of the meter, granted of the block, usable or wanted of the unit, "
        "counted towards a commitment or missing of it.",
    )
    unit: str | None = Field(None, description="The unit that the quantity counts, if no meter.")
    block: str | None = Field(None, description="The block that it is about.")
    program: str | None = Field(None, description="The program that it is about.")
    code: str | None = Field(None, description="Why something was refused: a stable code.")
    detail: str | None = Field(None, description="The same for people.")
    threshold: Decimal | None = Field(None, description="The balance at or below which it is low.")
    expires_at: Instant | None = Field(None, description="When the block expires.")
    statement: StatementSent | None = Field(None, description="The statement that is ready.")
    subscription: str | None = Field(None, description="The subscription that commits.")
    shortfall: str | None = Field(None, description="The shortfall's id, for the bill.")
    committed: Decimal | None = Field(None, description="The least of the term, of the unit.")
    percent: str | None = Field(None, description="How much is counted, or of the term gone by.")
    forecast: Decimal | None = Field(
        None, description="What will be missing of the unit if usage goes on as in the term so far."
    )
    currency: str | None = Field(None, description="The currency of the amount.")
    amount: Decimal | None = Field(None, description="What is owed for what is missing.")


class Version(Output):
    """What the batch was folded by."""

    behaviour: int = Field(description="The version of the rules.")
    tz: str = Field(description="The version of the time zone database.")


class Batch(Output):
    """The header of a batch: which inputs it took, at which time. Headers join without a gap.

    `out` is SHA-256 over `prev` and every other record of the batch, in their order.
    """

    batch: int = Field(ge=1, description="Counts the batches of the partition, from 1.")
    now: Instant = Field(description="How far the clock moved the partition.")
    code: Version = Field(description="What it was folded by.")
    in_: tuple[tuple[str, int, int, int], ...] = Field(
        alias="in", description="[topic, first offset, offset after the last, records] read."
    )
    due: int = Field(ge=0, description="How many clock steps it took.")
    prev: Chain = Field(description="The header's before out; empty in the first.")
    out: Sha256 = Field(
        "0" * 64, description="SHA-256 over the header without it and the batch's other records."
    )


class Original(Output):
    """Bytes of the original record: whole, or their head with size and hash where large."""

    base64: str | None = Field(None, description="All of it.")
    head: str | None = Field(None, description="Its first bytes, base64, where it is large.")
    size: int = Field(description="Its size in bytes.")
    sha256: Sha256 | None = Field(None, description="SHA-256 of all of it, where it is large.")


class OriginalHeader(Output):
    """A header of the original record."""

    name: str = Field(description="The header's name.")
    base64: str | None = Field(None, description="Its value; absent where it had none.")


class DeadLetter(Output):
    """A record that is no event, kept as it came."""

    code: Literal[
        "too_large",
        "tombstone",
        "not_json",
        "not_an_object",
        "not_cloudevents",
        "id_too_long",
        "bad_time",
        "null_key",
        "wrong_key",
        "wrong_partition",
    ] = Field(description="Why it cannot be read: a stable code.")
    detail: str = Field(description="The same for people, with what to do.")
    topic: str = Field(description="The topic from which it was read.")
    partition: int = Field(description="Its partition.")
    offset: int = Field(description="Its offset.")
    recorded_at: Instant = Field(description="When the log learned of it.")
    key: Original | None = Field(None, description="Its key; absent where it had none.")
    value: Original | None = Field(None, description="Its value; absent where it had none.")
    headers: tuple[OriginalHeader, ...] = Field((), description="Its headers, in order.")
    headers_left_out: int = Field(0, description="How many more headers did not fit.")


OUTPUTS: dict[str, type[Output]] = {
    event_type("ledger.batch"): Batch,
    event_type("ledger.outcome"): Outcome,
    event_type("revenue.posting"): Posting,
    event_type("notice.unpriced_usage"): Notice,
    event_type("notice.uncovered_usage"): Notice,
    event_type("notice.grant_refused"): Notice,
    event_type("notice.granted"): Notice,
    event_type("notice.expiring"): Notice,
    event_type("notice.balance_low"): Notice,
    event_type("notice.balance_recovered"): Notice,
    event_type("notice.depleted"): Notice,
    event_type("notice.top_up_wanted"): Notice,
    event_type("notice.statement_ready"): Notice,
    event_type("notice.commitment_progress"): Notice,
    event_type("notice.shortfall"): Notice,
    event_type("dead_letter.recorded"): DeadLetter,
    event_type("balance.snapshot"): Snapshot,
}
"""The model of each output's data."""

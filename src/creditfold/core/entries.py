"""What the fold gives out, in the order and spelling in which it is hashed and sent."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any, Final

import msgspec
from msgspec import Struct


class Place(StrEnum):
    """Where an amount of a block can be. `origin` is outside: where it is made."""

    ORIGIN = "origin"
    ISSUED = "issued"
    AVAILABLE = "available"
    HELD = "held"
    DRAWN = "drawn"
    EXPIRED = "expired"
    VOIDED = "voided"
    REFUNDED = "refunded"
    ROLLED_OUT = "rolled_out"
    TRANSFERRED_OUT = "transferred_out"
    APPLIED = "applied"


ORIGIN, ISSUED, AVAILABLE = Place.ORIGIN, Place.ISSUED, Place.AVAILABLE
DRAWN, EXPIRED = Place.DRAWN, Place.EXPIRED
"""Where most of what moves does: to find a member in its enum takes twenty times as long."""


class Status(StrEnum):
    """What became of an input."""

    APPLIED = "applied"
    REJECTED = "rejected"
    DUPLICATE = "duplicate"
    DEAD_LETTER = "dead_letter"


class Owed(Struct, frozen=True, gc=False):
    """How a usage's rest moved from one unit to another: HE(cost * from_rest / from_cost)."""

    cost: str
    quantity: str
    from_unit: str
    from_cost: str
    from_rest: str


class Entry(Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}, gc=False):
    """An amount of one block moved between two of its places; `value` is what left with it."""

    entry: str
    block: str
    from_: Place
    to: Place
    unit: str
    quantity: str
    meter: str | None = None
    product: str | None = None
    usage: str | None = None
    rate: str | None = None
    owed: Owed | None = None
    hold: str | None = None
    repays: str | None = None
    value: str | None = None
    reverses: str | None = None
    invoice: str | None = None
    line: str | None = None


class Overage(Struct, frozen=True, omit_defaults=True, gc=False):
    """Usage that no block covered; without `unit` it has no price in the customer's currency.

    `quantity` is of the meter, rounded half even to its exponent where a block covered part of a
    single one; `amount` is exact. `usage` is named where it is not the outcome's own: late or
    corrected usage changed what of it is uncovered, by so much more or, below zero, less.
    """

    id: str
    meter: str
    product: str
    quantity: str
    unit: str | None = None
    amount: str | None = None
    rate: str | None = None
    owed: Owed | None = None
    policy: str | None = None
    reverses: str | None = None
    usage: str | None = None


class Shortfall(Struct, frozen=True):
    """How a commitment's term ended; a later one with the same id stands in the place of this."""

    id: str
    subscription: str
    unit: str
    committed: str
    counted: str
    quantity: str
    currency: str
    amount: str


class Cause(Struct, omit_defaults=True, gc=False):
    """What an outcome answers: an input with its coordinates, or what fell due at an instant.

    The coordinates are set last: nothing that is hashed into a chain knows them.
    """

    source: str | None = None
    id: str | None = None
    type: str | None = None
    content: str | None = None
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    clock: str | None = None
    due: str | None = None


class Emitted(Struct, frozen=True, gc=False):
    """How many postings and notices an outcome sent, and the SHA-256 over their lines."""

    postings: int
    notices: int
    sha256: str


class Sent(Struct, frozen=True):
    """What an outcome tells another customer by way of transfers.v1."""

    id: str
    what: str
    to: str
    effective_at: str
    data: dict[str, Any]


class Outcome(Struct, omit_defaults=True, gc=False):
    """What became of one input or clock step.

    The customer's chain covers every applied outcome without `recorded_at`, `hash` and the
    cause's coordinates, so two runs of the same facts end at the same head.
    """

    outcome: str
    status: Status
    cause: Cause
    customer: str | None = None
    code: str | None = None
    detail: str | None = None
    seq: int | None = None
    prev: str | None = None
    effective_at: str | None = None
    entries: tuple[Entry, ...] = ()
    overage: tuple[Overage, ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    sent: tuple[Sent, ...] = ()
    balances: dict[str, str] | None = None
    emitted: Emitted | None = None
    hash: str | None = None
    recorded_at: str | None = None


class Posting(Struct, frozen=True, omit_defaults=True, gc=False):
    """One debit-credit pair of a journal entry, in integer minor units.

    `proof` holds the formula and its operands: whoever has a calculator can check the amount.
    """

    posting: str
    entry: str
    line: int
    customer: str
    book: str
    rule: str
    effective_date: str
    period: str
    debit: str
    credit: str
    amount: int
    currency: str
    exponent: int
    cause: str
    policy: str
    proof: dict[str, str | int]
    block: str | None = None
    credit_block: str | None = None
    product: str | None = None
    invoice: str | None = None
    contract: str | None = None


class CoveredSum(Struct, frozen=True):
    """How much credit of one kind and unit covered in a period."""

    kind: str
    unit: str
    quantity: str


class OverageSum(Struct, frozen=True, omit_defaults=True):
    """What no block covered in a period, by the policy and rate; without a unit it has no price."""

    quantity: str
    policy: str | None = None
    unit: str | None = None
    rate: str | None = None
    amount: str | None = None


class StatementLine(Struct, frozen=True, omit_defaults=True):
    """Usage of one meter; `earlier` is what changed of usage before the period."""

    meter: str
    product: str
    quantity: str
    subscription: str | None = None
    earlier: bool = False
    covered: tuple[CoveredSum, ...] = ()
    overage: tuple[OverageSum, ...] = ()


class ShortfallSum(Struct, frozen=True, omit_defaults=True):
    """What is owed more of a commitment, or less; `earlier` is of a term before the period."""

    id: str
    subscription: str
    currency: str
    amount: str
    earlier: bool = False


class StatementSent(Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}):
    """What was entered about a customer's usage in [from, to), and since the statement before.

    A long one goes out in several `parts`, each a record of its own.
    """

    id: str
    from_: str
    to: str
    lines: tuple[StatementLine, ...]
    part: int = 1
    parts: int = 1
    shortfalls: tuple[ShortfallSum, ...] = ()


class Notice(Struct, frozen=True, omit_defaults=True, gc=False):
    """Something that a person or another system should know."""

    notice: str
    what: str
    customer: str
    outcome: str
    effective_at: str
    meter: str | None = None
    product: str | None = None
    quantity: str | None = None
    unit: str | None = None
    block: str | None = None
    program: str | None = None
    code: str | None = None
    detail: str | None = None
    threshold: str | None = None
    expires_at: str | None = None
    statement: StatementSent | None = None
    subscription: str | None = None
    shortfall: str | None = None
    committed: str | None = None
    percent: str | None = None
    forecast: str | None = None
    currency: str | None = None
    amount: str | None = None


canonical: Final = msgspec.json.Encoder(order="sorted").encode
"""JSON with sorted keys and no white space; only strings, booleans and integers occur."""


def sha256(*parts: bytes) -> str:
    """The SHA-256 of the parts joined by line feeds, in hex."""
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def identity(*parts: str) -> str:
    """An id derived from the parts alone: 128 bits of their SHA-256, in hex."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]

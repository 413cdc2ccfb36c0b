"""The one table of topics: what each carries, in which direction, and in which order it is read."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct

PREFIX = "creditfold."
VERSION = ".v1"


class Direction(StrEnum):
    """Whether creditfold reads a topic or writes it."""

    INPUT = "input"
    OUTPUT = "output"


class Topic(Struct, frozen=True):
    """A topic. Every one is keyed by the customer id and never forgets.

    `rank` orders inputs that were recorded at the same time (commands before the usage that
    needs them). `types` are the event types that it carries in this release.
    """

    name: str
    direction: Direction
    types: tuple[str, ...]
    rank: int | None = None
    cleanup_policy: str = "delete"
    retention_ms: int = -1
    key: str = "customer id"


def event_type(noun_verb: str) -> str:
    """The full `ce_type` of `<noun>.<verb>`."""
    return f"{PREFIX}{noun_verb}{VERSION}"


def _types(*noun_verbs: str) -> tuple[str, ...]:
    return tuple(event_type(noun_verb) for noun_verb in noun_verbs)


def _name(noun: str) -> str:
    return f"{PREFIX}{noun}{VERSION}"


CATALOG_TYPES = frozenset(
    _types(
        "unit.declared",
        "meter.declared",
        "rate_card.published",
        "program.published",
        "program.ended",
        "policy.published",
        "clock.held",
        "clock.released",
    )
)
"""Facts about no customer: no subject, no key, the same to every partition."""

COMMANDS = Topic(
    _name("commands"),
    Direction.INPUT,
    (
        *_types("credit.voided", "credit.adjusted", "credit.refunded", "credit.expiry_changed"),
        *_types("credit.transferred"),
        *_types("hold.placed", "hold.settled", "hold.released", "top_up.declined"),
        *_types(
            "customer.created",
            "customer.updated",
            "credit.granted",
            "program.attached",
            "program.detached",
            "program.reset",
            "subscription.started",
            "subscription.changed",
            "subscription.renewed",
            "subscription.paused",
            "subscription.resumed",
            "subscription.cancelled",
        ),
        *sorted(CATALOG_TYPES),
    ),
    rank=0,
)
TRANSFERS = Topic(
    _name("transfers"),
    Direction.INPUT,
    _types("transfer.offered", "transfer.accepted", "transfer.returned"),
    rank=1,
)
INVOICES = Topic(
    _name("invoices"),
    Direction.INPUT,
    _types(
        "invoice.issued",
        "invoice.paid",
        "invoice.voided",
        "invoice.written_off",
        "credit_note.issued",
        "payment.refunded",
        "payment.disputed",
    ),
    rank=2,
)
USAGE = Topic(
    _name("usage"),
    Direction.INPUT,
    _types("usage.recorded", "usage.corrected", "usage.retracted"),
    rank=3,
)
LEDGER = Topic(_name("ledger"), Direction.OUTPUT, _types("ledger.batch", "ledger.outcome"))
REVENUE = Topic(_name("revenue"), Direction.OUTPUT, _types("revenue.posting"))
NOTICES = Topic(
    _name("notices"),
    Direction.OUTPUT,
    _types(
        "notice.unpriced_usage",
        "notice.uncovered_usage",
        "notice.grant_refused",
        "notice.granted",
        "notice.expiring",
        "notice.balance_low",
        "notice.balance_recovered",
        "notice.depleted",
        "notice.top_up_wanted",
        "notice.statement_ready",
        "notice.commitment_progress",
        "notice.shortfall",
    ),
)
DEAD_LETTERS = Topic(_name("dead-letters"), Direction.OUTPUT, _types("dead_letter.recorded"))

TOPICS = (USAGE, INVOICES, COMMANDS, TRANSFERS, LEDGER, REVENUE, NOTICES, DEAD_LETTERS)
INPUTS = tuple(topic for topic in TOPICS if topic.direction is Direction.INPUT)
OUTPUTS = tuple(topic for topic in TOPICS if topic.direction is Direction.OUTPUT)

RANK = {topic.name: topic.rank for topic in INPUTS if topic.rank is not None}
"""Which input topic goes first among records of one time."""

BY_NAME = {topic.name: topic for topic in TOPICS}
CUSTOMER_TYPES = frozenset(type_ for topic in INPUTS for type_ in topic.types) - CATALOG_TYPES
"""Facts about one customer: the subject and the key are its id."""

_BY_TYPE = {type_: topic for topic in TOPICS for type_ in topic.types}


def topic_of(type_: str) -> Topic:
    """The topic that carries the event type; KeyError for a type that no topic carries."""
    return _BY_TYPE[type_]

"""Facts as inputs of a local log, a clock that a test turns, and a small history to publish."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from core.book import CATALOG
from creditfold.contract.encode import structured
from creditfold.contract.envelope import Envelope, read_line, write_binary
from creditfold.contract.topics import COMMANDS, LEDGER, NOTICES, REVENUE, TOPICS, topic_of
from creditfold.local.runtime import Input, LocalLog, LocalRuntime
from creditfold.log.records import Output
from properties.events import DAY, HOUR, START, Event, fact

BY_TYPE = {type_ for topic in TOPICS for type_ in topic.types}
OUTPUTS = (LEDGER.name, REVENUE.name, NOTICES.name, "creditfold.dead-letters.v1")
COMMANDS_TOPIC = COMMANDS.name


class Clock:
    """A wall clock that stands where a test has put it."""

    def __init__(self, now: int = START) -> None:
        self.now = now

    def __call__(self) -> int:
        return self.now


def read(event: Event) -> Envelope:
    """The event as the wire's reader gives it."""
    return read_line(json.dumps(event).encode())


def to_input(event: Event) -> Input:
    """The event as a record to append, recorded when it says so, else as it happened."""
    envelope = read(event)
    recorded = envelope.time if envelope.recordedtime is None else envelope.recordedtime
    topic = topic_of(envelope.type) if envelope.type in BY_TYPE else COMMANDS
    return Input(topic.name, recorded, *write_binary(envelope))


def to_inputs(events: Iterable[Event]) -> list[Input]:
    """As `to_input`, for all of them."""
    return [to_input(event) for event in events]


def catalog(at: int = START - DAY) -> list[Event]:
    """The catalog of the core's tests."""
    return [fact(kind, data, id=f"cat{n}", at=at) for n, (kind, data) in enumerate(CATALOG)]


def history() -> list[Event]:
    """A catalog and two customers; 24 facts that leave a record of every kind."""
    grant = {
        "block": "b",
        "kind": "paid",
        "unit": "USD",
        "quantity": "10",
        "value": {"amount": "9.99", "currency": "USD"},
    }
    usage = {"meter": "calls", "quantity": "3"}
    line = {"line": "1", "amount": "9.99", "tax": "2", "sells": [{"block": "b"}]}
    events = catalog()
    for n, customer in enumerate(("ada", "bo")):
        at = START + n * HOUR
        own: Sequence[tuple[str, Event, int]] = [
            ("customer.created", {"currency": "USD", "time_zone": "Europe/Zurich"}, 0),
            ("credit.granted", grant | {"expires_at": "2026-01-08T00:00:00Z"}, 1),
            ("invoice.issued", {"invoice": "i", "currency": "USD", "lines": [line]}, 2),
            ("usage.recorded", usage, 3),
            ("usage.recorded", usage | {"quantity": "9"}, 4),
            ("usage.recorded", {"meter": "pings", "quantity": "7"}, 5),
            ("invoice.paid", {"invoice": "i", "amount": "5"}, 6),
            (
                "credit.granted",
                {
                    "block": "p",
                    "kind": "promotional",
                    "unit": "credits",
                    "quantity": "5",
                    "effective_at": "2026-01-03T00:00:00Z",
                },
                7,
            ),
        ]
        events += [
            fact(kind, data, id=f"{customer}{k}", at=at + k, customer=customer)
            for kind, data, k in own
        ]
        events.append(
            fact(
                "usage.recorded",
                usage,
                id=f"{customer}3",
                at=at + 3,
                customer=customer,
                recorded=at + 9,
            )
        )
    events.append(fact("usage.recorded", usage, id="x", at=START + 2 * HOUR, customer="nobody"))
    return events


def strange(at: int = START + 3 * HOUR) -> list[Input]:
    """Records that are no events: each becomes a dead letter."""
    event = to_input(
        fact("usage.recorded", {"meter": "calls", "quantity": "1"}, id="s", at=at, customer="ada")
    )
    return [
        event._replace(key=b"bo"),
        event._replace(key=None),
        event._replace(value=None),
        event._replace(value=b"\xff\x00not json"),
        event._replace(headers=()),
    ]


def publish(runtime: LocalRuntime, inputs: Sequence[Input]) -> None:
    """Append and fold."""
    runtime.append(inputs)
    for _ in runtime.run():
        pass


def filled(directory: Path) -> None:
    """A directory with the whole history and the strange records, folded in several batches."""
    inputs = to_inputs(history())
    clock = Clock()
    with LocalRuntime(directory, clock) as runtime:
        for begin in range(0, len(inputs), 9):
            chunk = inputs[begin : begin + 9]
            clock.now = max(clock.now, *(record.timestamp for record in chunk))
            publish(runtime, chunk)
        clock.now = START + 3 * HOUR
        publish(runtime, strange())
        clock.now = START + 30 * DAY
        publish(runtime, [])


def written(log: LocalLog) -> dict[str, list[Output]]:
    """All that a log gave out, by topic."""
    return {
        topic: [Output(r.topic, r.key, r.value or b"", r.headers) for r in log.read(topic)]
        for topic in OUTPUTS
    }


def said(outputs: Iterable[Output]) -> list[Event]:
    """The records as structured events."""
    return [json.loads(structured(output)) for output in outputs]

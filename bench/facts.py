"""The facts that benches fold: a catalog, customers, and their usage, or all that they may do.

Usage of `backlog` is 100 to 999 tokens at 15 dollars a million, with two properties, drawn from a
paid block: an outcome for each, and a posting for most, since most cross a cent. Facts of `life`
are those of the fault campaign, `tests/crash`.
"""

import itertools
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from confluent_kafka import Producer

from creditfold.broker.connection import Connection
from creditfold.contract.envelope import Envelope, write_binary
from creditfold.contract.topics import CATALOG_TYPES, event_type, topic_of
from creditfold.core.times import DAY, HOUR, rfc3339

METER = "llm.output_tokens"
_TESTS = Path(__file__).resolve().parents[1] / "tests"
_PACE = 20_000  # microseconds from one fact of a life to the next
_QUEUED_MAX = 500_000
_MODELS = ("small", "large", "vision")


def wall() -> int:
    """The wall clock in microseconds, in the whole milliseconds that Kafka keeps."""
    return time.time_ns() // 1_000_000 * 1_000


def _fact(id_: str, noun_verb: str, customer: str | None, at: int, data: dict) -> Envelope:
    return Envelope(id_, "bench", event_type(noun_verb), customer, at, data, at)


def customer(number: int) -> str:
    return f"customer-{number:06}"


def set_up(customers: int, at: int) -> Iterator[Envelope]:
    """The catalog, then each customer with a paid block that lasts beyond the bench."""
    rate = {"meter": METER, "unit": "USD", "per_unit": "0.000015"}
    card = {"rate_card": "list", "version": 1, "effective_from": rfc3339(at), "rates": [rate]}
    meter = {"meter": METER, "version": 1, "product": "llm"}
    yield _fact("meter", "meter.declared", None, at, meter)
    yield _fact("card", "rate_card.published", None, at, card)
    block = {
        "block": "b1",
        "kind": "paid",
        "unit": "USD",
        "quantity": "1000",
        "value": {"amount": "900", "currency": "USD"},
        "expires_at": rfc3339(at + 365 * DAY),
    }
    for number in range(customers):
        name = customer(number)
        yield _fact(f"{name}-created", "customer.created", name, at, {"currency": "USD"})
        yield _fact(f"{name}-granted", "credit.granted", name, at, block)


def usage(number: int, customers: int, at: int) -> Envelope:
    """One usage event; consecutive ones are of customers far apart."""
    data = {
        "meter": METER,
        "quantity": str(100 + number * 31 % 900),
        "properties": {"model": _MODELS[number % 3], "region": "eu-central-1"},
    }
    return _fact(f"u-{number}", "usage.recorded", customer(number * 7919 % customers), at, data)


def backlog(numbers: Iterable[int], customers: int, at: int) -> Iterator[Envelope]:
    """Usage events by their numbers, a millisecond apart, from half an hour after `at`."""
    return (usage(n, customers, at + HOUR // 2 + n * 1_000) for n in numbers)


def life(
    kind: str, count: int, customers: int, at: int
) -> tuple[list[Envelope], Iterable[Envelope]]:
    """Customers with their first credit, and what they then do: usage alone, or a mix."""
    sys.path[:0] = [str(_TESTS), str(_TESTS / "broker")]
    from crash import mix, traffic

    times = itertools.count(at, _PACE)
    soon = traffic.Soon(2_000_000, count * _PACE)
    if kind == "usage alone":
        alone = traffic.Traffic(1, customers, lambda: next(times), soon)
        who = (alone.chance.choice(alone.customers) for _ in range(count))
        return [*traffic.catalog(at), *alone.opening()], map(alone.usage, who)
    share = {} if kind == "campaign" else {"usage": 1_500, "late": 0.02}
    mixed = mix.Mix(1, customers, lambda: next(times), soon, **share)
    return [*mix.catalog(at), *mixed.opening()], mixed.facts(count)


def put(producer: Producer, fact: Envelope, partitions: int) -> None:
    """Send a fact at its recorded time; a catalog fact to each partition."""
    key, value, headers = write_binary(fact)
    topic, stamp = topic_of(fact.type).name, fact.recordedtime // 1_000
    for partition in range(partitions) if fact.type in CATALOG_TYPES else (-1,):
        producer.produce(topic, value, key, partition, timestamp=stamp, headers=list(headers))


def publish(bootstrap: str, facts: Iterable[Envelope], partitions: int) -> None:
    """Send facts as `creditfold publish` does, and return when all are there."""
    producer = Connection(bootstrap).producer(
        compression_type="lz4", linger_ms=5, queue_buffering_max_messages=2 * _QUEUED_MAX
    )
    for number, fact in enumerate(facts):
        put(producer, fact, partitions)
        if not number % 1_000:
            while len(producer) > _QUEUED_MAX:
                producer.poll(0.1)
            producer.poll(0)
    assert producer.flush(120) == 0, "the broker did not take the facts"

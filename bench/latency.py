"""Latency from a fact's sending until its outcome can be read as committed, at a steady rate."""

import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from confluent_kafka import Producer

from facts import put, usage, wall
from stand import Process, Stand, Watcher, read_outcome

_TICK_SECONDS = 0.002
_WARM_SECONDS = 5.0


class Percentiles(NamedTuple):
    """Milliseconds from sent to visible."""

    p50: float
    p99: float
    p999: float


def percentiles(seconds: list[float]) -> Percentiles:
    ordered = sorted(seconds)
    at = [ordered[min(len(ordered) - 1, int(len(ordered) * part))] for part in (0.5, 0.99, 0.999)]
    return Percentiles(*(each * 1_000 for each in at))


class Load:
    """Usage sent at a steady rate; numbers go on from one run to the next."""

    def __init__(self, on: Stand, customers: int) -> None:
        self._producer: Producer = on.connection.producer(linger_ms=0)
        self._on, self._customers = on, customers
        self.sent: list[float] = []

    def send(self, rate: int, seconds: float) -> None:
        began, begun = time.monotonic(), len(self.sent)
        count = round(rate * seconds)
        while (done := len(self.sent) - begun) < count:
            due = min(count, int((time.monotonic() - began) * rate) + 1)
            for _ in range(done, due):
                fact = usage(len(self.sent), self._customers, wall())
                self.sent.append(time.monotonic())
                put(self._producer, fact, self._on.partitions)
            self._producer.poll(0)
            time.sleep(_TICK_SECONDS)
        assert self._producer.flush(30) == 0, "the broker did not take the facts"


def run(
    load: Load, process: Process, watcher: Watcher, rate: int, seconds: float
) -> Iterator[float]:
    """Seconds from sent to visible of each fact once all is warm."""
    begun = len(load.sent)
    sender = threading.Thread(target=load.send, args=(rate, seconds + _WARM_SECONDS))
    sender.start()
    seen, count = 0, round(rate * (seconds + _WARM_SECONDS))
    while seen < count:
        message = watcher.consumer.poll(20.0)
        process.expect(message is not None, f"{seen} of {count} outcomes")
        if message.error() is None and message.key() is not None:
            at = time.monotonic()
            number = int(read_outcome(message.value()).cause.id.removeprefix("u-"))
            seen += 1
            if number - begun >= rate * _WARM_SECONDS:
                yield at - load.sent[number]
    sender.join()

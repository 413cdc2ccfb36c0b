"""History in the order in which it was folded: what an import puts on the log again."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import NamedTuple, Protocol

import msgspec

from creditfold.broker.problems import BrokerProblem
from creditfold.broker.publisher import written
from creditfold.contract.envelope import Envelope
from creditfold.contract.instants import INSTANT_MAX, parse_instant
from creditfold.contract.topics import INPUTS, LEDGER, RANK, TRANSFERS, event_type, topic_of
from creditfold.log.order import ordered
from creditfold.log.records import Headers, Record


class Past(NamedTuple):
    """A record of the past: `time` is the log's time at it, in microseconds, and never goes back.

    It is not the record's own timestamp: one that came late was folded at the log's time.
    """

    topic: str
    time: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class Log(Protocol):
    """A recorded log of one partition."""

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""


class _Header(msgspec.Struct, frozen=True, rename={"in_": "in"}):
    now: str
    in_: list[tuple[str, int, int, int]]


_headers = msgspec.json.Decoder(_Header)
_BATCH = event_type("ledger.batch").encode()


def of_log(log: Log) -> Iterator[Past]:
    """A log's inputs in its order of record; what no batch has taken yet comes last."""
    inputs = {topic.name: log.read(topic.name) for topic in INPUTS}
    now = 0
    for record in log.read(LEDGER.name):
        if dict(record.headers).get("ce_type") != _BATCH:
            continue
        header = _headers.decode(record.value or b"")
        queues = {
            topic: _taken(inputs[topic], topic, end, count) for topic, _, end, count in header.in_
        }
        end = parse_instant(header.now)
        yield from _in_order(queues, now, end)
        now = end
    rest = {topic: list(records) for topic, records in inputs.items()}
    yield from _in_order(rest, now, INSTANT_MAX)


def of_envelopes(envelopes: Iterable[Envelope]) -> Iterator[Past]:
    """Facts in arrival order; each is recorded at its `recordedtime`, else its time.

    The log's time never goes back: a fact that is recorded earlier than the one before it counts
    as recorded with it.
    """
    now = 0
    for envelope in envelopes:
        try:
            topic = topic_of(envelope.type).name
        except KeyError:
            raise BrokerProblem(
                f"no topic takes {envelope.type}; correct the type of {envelope.id}"
            ) from None
        own = envelope.time if envelope.recordedtime is None else envelope.recordedtime
        now = max(now, own)
        yield Past(topic, now, *written(envelope))


def _taken(records: Iterator[Record], topic: str, end: int, count: int) -> list[Record]:
    taken = list(itertools.islice(records, count))
    if len(taken) < count or taken[-1].offset != end - 1:
        raise BrokerProblem(
            f"a batch names {count} records of {topic} up to {end}, and the log does not hold "
            "them; verify the log (`creditfold replay --verify`) before it is exported"
        )
    return taken


def _in_order(queues: dict[str, list[Record]], log_time: int, ceiling: int) -> Iterator[Past]:
    for record, now in ordered(queues, RANK, log_time, max(ceiling, log_time)):
        if record.topic == TRANSFERS.name:
            continue  # the fold that takes this history tells its customers anew
        yield Past(record.topic, now, record.key, record.value, record.headers)

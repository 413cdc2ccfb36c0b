"""An independent reader of what is committed."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, Message, TopicPartition

_SILENCE_SECONDS = 60


def committed(bootstrap: str, topics: list[str], partitions: list[int]) -> Iterator[Message]:
    """All committed records of the topics up to their end, in order within each partition."""
    consumer = Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": "independent reader",
            "isolation.level": "read_committed",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
        }
    )
    places = [TopicPartition(topic, number, 0) for topic in topics for number in partitions]
    consumer.assign(places)
    ended: set[tuple[str, int]] = set()
    heard = time.monotonic()
    while len(ended) < len(places):
        messages = consumer.consume(10_000, 0.2)
        if messages:
            heard = time.monotonic()
        assert time.monotonic() < heard + _SILENCE_SECONDS, "the reader did not come to the end"
        for message in messages:
            if message.error() is None:
                yield message
            else:
                ended.add((message.topic(), message.partition()))
    consumer.close()

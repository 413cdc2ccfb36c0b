"""Which partition a customer lives in: Kafka's own murmur2, so that every client agrees."""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from creditfold.contract.envelope import Undecodable, Unreadable

PARTITIONS: Final = 12
"""Of every topic alike, or one customer would not live in one partition of each."""

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_WORD: Final = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """`org.apache.kafka.common.utils.Utils.murmur2`, as an unsigned 32-bit integer."""
    h = (_SEED ^ len(data)) & _WORD
    whole = len(data) & ~3
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * _M & _WORD
        k = (k ^ k >> 24) * _M & _WORD
        h = h * _M & _WORD ^ k
    if whole < len(data):
        h = (h ^ int.from_bytes(data[whole:], "little")) * _M & _WORD
    h = (h ^ h >> 13) * _M & _WORD
    return h ^ h >> 15


@lru_cache(maxsize=100_000)
def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key; `murmur2_random` of librdkafka and the Java client give the same."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class Home(NamedTuple):
    """A partition: its number, and of how many it is one."""

    partition: int
    partitions: int

    def check(self, customer: str | None) -> None:
        """Raise Undecodable where the customer lives in another partition; None lives in all."""
        if customer is None:
            return
        home = partition_of(customer.encode(), self.partitions)
        if home != self.partition:
            raise Undecodable(
                Unreadable.WRONG_PARTITION,
                f"it lies on partition {self.partition} of {self.partitions} and its key belongs "
                f"on {home}: set the producer's partitioner to murmur2_random",
            )


ONLY: Final = Home(0, 1)
"""The home of all customers, where a log has one partition."""

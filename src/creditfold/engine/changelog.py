"""Reading the changelog into stores: to recover owned partitions, and to keep standbys warm.

A consumer of its own, outside the group and by aiokafka's public calls alone. Recovery is complete
when the read position has reached the end offset, not when the last record has come: the log ends
in transaction markers.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from creditfold.engine.store import DueOf, Store

_CHUNK = 2_000


class ChangelogReader:
    """Brings stores up to date with their changelog partitions."""

    def __init__(self, kafka: Mapping[str, Any], topic: str, due_of: DueOf) -> None:
        self._topic = topic
        self._due_of = due_of
        self._kafka = AIOKafkaConsumer(
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=4 << 20,
            fetch_max_wait_ms=200,
            **kafka,
        )

    async def open(self) -> None:
        """Connect."""
        await self._kafka.start()

    async def close(self) -> None:
        """Disconnect."""
        await self._kafka.stop()

    async def catch_up(self, stores: Mapping[int, Store]) -> dict[int, int]:
        """Read each partition to its present end; return how many records that took."""
        tps = {TopicPartition(self._topic, number): store for number, store in stores.items()}
        if not tps:
            return {}
        ends = await self._kafka.end_offsets(list(tps))
        counts = dict.fromkeys(stores, 0)
        await self._seek(tps, ends)
        open_tps = set(tps)
        while open_tps := {tp for tp in open_tps if await self._kafka.position(tp) < ends[tp]}:
            for tp, count in (await self._read(tps, open_tps, 1_000)).items():
                counts[tp.partition] += count
        return counts

    async def _seek(
        self, tps: Mapping[TopicPartition, Store], ends: Mapping[TopicPartition, int]
    ) -> None:
        starts = await self._kafka.beginning_offsets(list(tps))
        self._kafka.assign(list(tps))
        for tp, store in tps.items():
            at = store.changelog_next()
            # a store that claims more than the log has, or less than the log still holds, cannot
            # be brought up to date by what follows
            if at and not starts[tp] <= at <= ends[tp]:
                store.wipe()
                at = 0
            self._kafka.seek(tp, max(at, starts[tp]))

    async def _read(
        self, tps: Mapping[TopicPartition, Store], wanted: set[TopicPartition], wait_ms: int
    ) -> dict[TopicPartition, int]:
        fetched = await self._kafka.getmany(*wanted, timeout_ms=wait_ms, max_records=4 * _CHUNK)
        for tp, records in fetched.items():
            for first in range(0, len(records), _CHUNK):
                chunk = records[first : first + _CHUNK]
                pairs = [(each.key, each.value) for each in chunk]
                tps[tp].absorb(pairs, chunk[-1].offset + 1, self._due_of)
                await asyncio.sleep(0)
        return {tp: len(records) for tp, records in fetched.items()}

    async def follow(
        self, stores: Mapping[int, Store], log_id: str, count: Callable[[int], None]
    ) -> None:
        """Keep reading into `stores` until cancelled."""
        tps = {TopicPartition(self._topic, number): store for number, store in stores.items()}
        ends = await self._kafka.end_offsets(list(tps))
        await self._seek(tps, ends)
        while True:
            taken = await self._read(tps, set(tps), 500)
            count(sum(taken.values()))
            for tp, store in tps.items():
                # as old as the broker's last word, once there is nothing older left to read
                heard = self._kafka.last_poll_timestamp(tp)
                if heard is not None and await self._kafka.position(tp) >= ends[tp]:
                    store.adopt(log_id, heard * 1_000)

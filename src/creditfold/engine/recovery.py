"""From an assignment to partitions that can run: fence → changelog → position → seek.

The producers are opened first. That fences whoever had the partitions before and aborts what was
left open, so that nothing can be added to what is read afterwards.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec
import structlog
from aiokafka import TopicPartition

from creditfold.engine.errors import RefusedToStart
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.partition import Holdings
from creditfold.engine.position import Position
from creditfold.engine.reading import ConsumerThread
from creditfold.engine.store import Store
from creditfold.engine.transaction import Transactions

if TYPE_CHECKING:
    from creditfold.engine.app import Engine

log = structlog.get_logger(__name__)


class Recovery:
    """Keeps the stores of this worker and makes them, and all else, ready for each assignment."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._group: Mapping[TopicPartition, int | None] = {}
        self.stores: dict[int, Store] = {}

    def close(self) -> None:
        """Release the stores."""
        for store in self.stores.values():
            store.close()
        self.stores.clear()

    def keep_stores(self, wanted: set[int]) -> None:
        """Open the stores of `wanted` and close all others; wipe what cannot be caught up."""
        engine = self._engine
        for number in set(self.stores) - wanted:
            self.stores.pop(number).close()
        for number in wanted - set(self.stores):
            store = Store(engine.config.state / f"{number}", engine.block_cache)
            retention = engine.cluster.delete_retention_ms
            if not store.belongs_to(engine.changelog_id, engine.clock.wall(), retention):
                log.warning(
                    "local state of another or too old a changelog: wiped", partition=number
                )
                store.wipe()
            self.stores[number] = store

    async def is_member(self, thread: ConsumerThread, owned: set[int]) -> bool:
        """Ask the group's coordinator, not our own memory, right before fencing others.

        A process that was frozen after its assignment would otherwise fence the rightful owner.
        Committing what is committed already is a question that changes nothing.
        """
        if not owned:
            return True
        tps = [TopicPartition(topic, p) for topic in self._engine.config.inputs for p in owned]
        self._group = await thread.committed(tps)
        known = {tp: offset for tp, offset in self._group.items() if offset is not None}
        return await thread.report(known or {tps[0]: 0})

    async def open(self, thread: ConsumerThread, owned: set[int]) -> list[Holdings]:
        """Return what the tasks of `owned` need; their inputs are sought, and held until then."""
        engine, began = self._engine, time.monotonic()
        producers = {number: engine.transactions(number) for number in owned}
        try:
            await asyncio.gather(*(producer.open() for producer in producers.values()))
            counts = await self._catch_up(owned)
            holdings = [
                await self._holdings(thread, number, producer)
                for number, producer in producers.items()
            ]
        except BaseException:
            await asyncio.gather(*(producer.close() for producer in producers.values()))
            raise
        for number in owned:
            metrics = engine.metrics.partition(number)
            metrics.recovery_seconds = time.monotonic() - began
            metrics.recovered_records = counts[number]
        return holdings

    async def _catch_up(self, owned: set[int]) -> dict[int, int]:
        engine = self._engine
        began = engine.clock.wall()
        reader = engine.changelog_reader()
        await reader.open()
        try:
            counts = await reader.catch_up({number: self.stores[number] for number in owned})
        finally:
            await reader.close()
        for number in owned:  # not before: a store is as old as what it last took in
            self.stores[number].adopt(engine.changelog_id, began)
        return counts

    async def _holdings(
        self, thread: ConsumerThread, number: int, transactions: Transactions
    ) -> Holdings:
        engine, store = self._engine, self.stores[number]
        try:
            position = store.position()
        except msgspec.DecodeError as error:
            raise RefusedToStart(
                f"partition {number}'s position in {engine.config.changelog} is in a form that "
                f"this version cannot read ({error}): use the version that wrote it"
            ) from error
        if position is None and store.has_state():
            raise RefusedToStart(
                f"partition {number} has state in {engine.config.changelog} but no position; "
                "folding the inputs again would count them twice"
            )
        starts = await self._starts(thread, number, position or Position())
        async with engine.reading:
            await thread.release(
                {TopicPartition(topic, number): at for topic, at in starts.items()}
            )
        return Holdings(
            number=number,
            store=store,
            transactions=transactions,
            mailbox=Mailbox(number, starts, engine.config.limits),
            folder=engine.folding.folder(number, store, position.note if position else None),
            position=position or Position(),
            ids={topic: engine.cluster.topic_ids[topic] for topic in engine.config.inputs},
        )

    async def _starts(
        self, thread: ConsumerThread, number: int, position: Position
    ) -> dict[str, int]:
        """Return where each input is to be read on, and refuse where that cannot be right."""
        ids = self._engine.cluster.topic_ids
        tps = [TopicPartition(topic, number) for topic in self._engine.config.inputs]
        firsts, ends = await thread.bounds(tps)
        return {
            tp.topic: _start(
                tp, position, ids[tp.topic], firsts[tp], ends[tp], self._group.get(tp) or 0
            )
            for tp in tps
        }


def _start(
    tp: TopicPartition, position: Position, topic_id: str, first: int, end: int, reported: int
) -> int:
    start = position.start(tp.topic, topic_id)
    name = f"{tp.topic}-{tp.partition}"
    if start < first and position.batch:
        raise RefusedToStart(f"{name}: offsets {start} to {first} are gone unfolded")
    start = max(start, first)
    if start > end:
        raise RefusedToStart(f"{name}: folded to {start}, but the topic ends at {end}")
    if reported > start:
        raise RefusedToStart(
            f"{name}: the group committed {reported}, the state stands at {start}; "
            "state is missing. Restore the changelog, or delete the group's offsets."
        )
    return start

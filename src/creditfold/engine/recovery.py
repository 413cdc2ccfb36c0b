"""Ownership of partitions, through Faust's `TableManager` setting: fence, recover, seek, run.

For each assignment: look whether this process is still a member; open the producers of the owned
partitions, which fences whoever had them before; read the changelog into the stores up to its end;
take the position from the state; seek; run. On revocation each task ends its batch first. Standby
partitions keep reading the changelog.

Every assignment takes these steps anew, also for a partition that stays: then all of them are
short, and no belief about what happened in between is needed.
"""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import TopicPartition
from faust.tables.manager import TableManager
from faust.types import TP
from mode import Service

from creditfold.engine import private
from creditfold.engine.errors import RefusedToStart
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.partition import Holdings, Partition
from creditfold.engine.position import Position
from creditfold.engine.store import Store
from creditfold.engine.transaction import Transactions
from creditfold.engine.transport import ConsumerThread

log = structlog.get_logger(__name__)

_TOUCH_SECONDS = 60.0


class Ownership(TableManager):
    """Opens and closes partitions as Faust's group assigns and revokes them."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.engine = app.engine
        self.partitions: dict[int, Partition] = {}
        self._stores: dict[int, Store] = {}
        self._running: dict[int, asyncio.Task[None]] = {}
        self._opening: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        app.on_partitions_revoked.connect(self._on_revoked)

    @property
    def _thread(self) -> ConsumerThread:
        consumer: Any = self.app.consumer
        thread: ConsumerThread = consumer.thread
        return thread

    # What Faust calls

    async def on_start(self) -> None:
        """Register the topics; the conductor subscribes when that is done."""
        await self._update_topics()
        self._tables_registered.set()

    async def _update_topics(self) -> None:
        self._tables_finalized.set()
        for name in (*self.engine.config.inputs, self.engine.config.changelog):
            self.app.topics.add(self.engine.topic(name))

    def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Do nothing yet: quiescing takes time and is done in the signal that follows."""

    async def _on_revoked(self, app: Any, revoked: set[TP], **kwargs: Any) -> None:
        await self._quiesce()

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Begin to open what is assigned; the group's heartbeat waits for this to return."""
        self.engine.metrics.rebalances += 1
        await self._quiesce()
        self._opening = asyncio.create_task(self._open(assigned))

    async def wait_until_recovery_completed(self) -> bool:
        """Let the app go on; partitions recover in their own time and readiness says when."""
        return False

    async def on_stop(self) -> None:
        """End the batches in hand, then let everything go."""
        await self._quiesce()
        await private.feeder(self.engine.app).stop()
        for store in self._stores.values():
            store.touch(self.engine.clock.wall())
            store.close()
        self._stores.clear()

    # Quiescing

    async def _quiesce(self) -> None:
        """Stop opening, following and folding; what does not end in time is abandoned.

        An abandoned commit may have happened or not: the next owner's fence settles it, and the
        local store takes it from the changelog.
        """
        self.engine.metrics.ready = False
        self.engine.feeding.clear()
        self.engine.assignments += 1
        await _cancel(self._opening)
        await _cancel(self._following)
        self._opening = self._following = None
        for partition in self.partitions.values():
            partition.stop()
        if self._running:
            patience = self.engine.config.session_seconds * 0.6
            _, late = await asyncio.wait(self._running.values(), timeout=patience)
            for task in late:
                log.warning("batch abandoned", task=task.get_name())
                await _cancel(task)
        for mailbox in self.engine.mailboxes.values():
            mailbox.closed = True
        self.engine.mailboxes.clear()
        owned = list(self.partitions.values())
        await asyncio.gather(*(each.holdings.transactions.close() for each in owned))
        for number in self.partitions:
            self.engine.metrics.partitions.pop(number, None)
        self.partitions.clear()
        self._running.clear()

    # Opening

    async def _open(self, assigned: set[TP]) -> None:
        try:
            owned, standbys = self._split(assigned)
            await self._hold(assigned)
            if not await self._is_member(owned):
                log.warning("not a member of the group any more; waiting for the next assignment")
                return
            self._keep_stores(owned | standbys)
            await self._run(owned)
            self._following = asyncio.create_task(self._follow(standbys))
            await private.feeder(self.engine.app).maybe_start()
            self.engine.feeding.set()
            self.engine.metrics.ready = True
            self.app.on_rebalance_end()
            await self.app.on_rebalance_complete.send()
            log.info("ready", owned=sorted(owned), standbys=sorted(standbys))
        except Exception as error:
            await self.engine.fail(error)

    def _split(self, assigned: set[TP]) -> tuple[set[int], set[int]]:
        config = self.engine.config
        by_topic = {name: {tp.partition for tp in assigned if tp.topic == name}
                    for name in config.inputs}  # fmt: skip
        owned = by_topic[config.inputs[0]]
        if any(partitions != owned for partitions in by_topic.values()):
            raise RefusedToStart(f"the inputs' partitions were split between workers: {by_topic}")
        changelog = {tp.partition for tp in assigned if tp.topic == config.changelog}
        return owned, changelog - owned

    async def _hold(self, assigned: set[TP]) -> None:
        # not while a take is under way, see the feeder
        async with self.engine.reading:
            await self._thread.hold([TopicPartition(*tp) for tp in assigned])

    async def _is_member(self, owned: set[int]) -> bool:
        """Ask the group's coordinator, not our own memory, right before fencing others.

        A process that was frozen after its assignment would otherwise fence the rightful owner.
        Committing what is committed already is a question that changes nothing.
        """
        if not owned:
            return True
        tps = [TopicPartition(topic, p) for topic in self.engine.config.inputs for p in owned]
        self._group = await self._thread.committed(tps)
        known = {tp: offset for tp, offset in self._group.items() if offset is not None}
        return await self._thread.report(known or {tps[0]: 0})

    def _keep_stores(self, wanted: set[int]) -> None:
        for number in set(self._stores) - wanted:
            store = self._stores.pop(number)
            store.touch(self.engine.clock.wall())
            store.close()
        engine = self.engine
        log_id = engine.cluster.topic_ids[engine.config.changelog]
        for number in wanted - set(self._stores):
            store = Store(engine.config.state / f"{number}", engine.block_cache)
            wall = engine.clock.wall()
            if not store.belongs_to(log_id, wall, engine.cluster.delete_retention_ms):
                log.warning("local state is of another or too old a changelog; wiped", p=number)
                store.wipe()
            store.adopt(log_id, wall)
            self._stores[number] = store

    async def _run(self, owned: set[int]) -> None:
        engine, began = self.engine, time.monotonic()
        producers = {number: engine.transactions(number) for number in owned}
        holdings: dict[int, Holdings] = {}
        try:
            await asyncio.gather(*(producer.open() for producer in producers.values()))
            counts = await self._catch_up({number: self._stores[number] for number in owned})
            for number in owned:
                holdings[number] = await self._holdings(number, producers[number])
        except BaseException:
            await asyncio.gather(*(producer.close() for producer in producers.values()))
            raise
        for number, held in holdings.items():
            metrics = engine.metrics.partition(number)
            metrics.recovery_seconds = time.monotonic() - began
            metrics.recovered_records = counts[number]
            self.partitions[number] = Partition(held, engine.config, engine.clock, metrics)
            engine.mailboxes[number] = held.mailbox
            self._running[number] = asyncio.create_task(
                self._guard(number), name=f"partition-{number}"
            )

    async def _catch_up(self, stores: Mapping[int, Store]) -> dict[int, int]:
        reader = self.engine.changelog_reader()
        await reader.open()
        try:
            return await reader.catch_up(stores)  # type: ignore[no-any-return]
        finally:
            await reader.close()

    async def _holdings(self, number: int, transactions: Transactions) -> Holdings:
        engine, store = self.engine, self._stores[number]
        position = store.position()
        if position is None and store.has_state():
            raise RefusedToStart(
                f"partition {number} has state in {engine.config.changelog} but no position; "
                "folding the inputs again would count them twice"
            )
        starts = await self._starts(number, position or Position())
        tps = {TopicPartition(topic, number): start for topic, start in starts.items()}
        async with engine.reading:
            await self._thread.release(tps)
        note = position.note if position else None
        return Holdings(
            number=number,
            store=store,
            transactions=transactions,
            mailbox=Mailbox(number, starts, engine.config.limits),
            folder=engine.folding.folder(number, store, note),
            position=position or Position(),
            ids={topic: engine.cluster.topic_ids[topic] for topic in engine.config.inputs},
        )

    async def _starts(self, number: int, position: Position) -> dict[str, int]:
        """Return where each input is to be read on, and refuse where that cannot be right."""
        ids = self.engine.cluster.topic_ids
        tps = [TopicPartition(topic, number) for topic in self.engine.config.inputs]
        firsts, ends = await self._thread.bounds(tps)
        starts = {}
        for tp in tps:
            start = position.start(tp.topic, ids[tp.topic])
            if start < firsts[tp] and (position.batch or start):
                raise RefusedToStart(
                    f"{tp.topic}-{number}: offsets {start} to {firsts[tp]} are gone unfolded"
                )
            if start > ends[tp]:
                raise RefusedToStart(
                    f"{tp.topic}-{number}: folded to {start}, but the topic ends at {ends[tp]}"
                )
            reported = self._group.get(tp) or 0
            if reported > max(start, firsts[tp]):
                raise RefusedToStart(
                    f"{tp.topic}-{number}: the group committed {reported}, the state stands at "
                    f"{start}; state is missing. Restore the changelog, or delete the group."
                )
            starts[tp.topic] = max(start, firsts[tp])
        return starts

    async def _guard(self, number: int) -> None:
        try:
            await self.partitions[number].run()
        except Exception as error:
            await self.engine.fail(error)

    async def _follow(self, standbys: set[int]) -> None:
        if not standbys:
            return
        reader = self.engine.changelog_reader()
        try:
            await reader.open()
            await reader.follow({p: self._stores[p] for p in standbys}, self._count_standby)
        except Exception as error:
            await self.engine.fail(error)
        finally:
            await reader.close()

    def _count_standby(self, records: int) -> None:
        self.engine.metrics.standby_records += records

    # Upkeep

    @Service.task
    async def _report(self) -> None:
        """Commit group offsets now and then, so that lag can be seen from outside."""
        while not self.should_stop:
            await self.sleep(self.engine.config.group_commit_seconds)
            offsets = {
                TopicPartition(topic, number): offset
                for number, partition in self.partitions.items()
                for topic, offset in partition.next_offsets.items()
            }
            if offsets and not await self._thread.report(offsets):
                self.engine.metrics.group_commit_failures += 1

    @Service.task
    async def _touch(self) -> None:
        """Keep open stores from looking abandoned."""
        while not self.should_stop:
            await self.sleep(_TOUCH_SECONDS)
            if self.engine.metrics.ready:
                for store in self._stores.values():
                    store.touch(self.engine.clock.wall())


async def _cancel(task: "asyncio.Task[None] | None") -> None:
    if task is None or task is asyncio.current_task():
        return
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

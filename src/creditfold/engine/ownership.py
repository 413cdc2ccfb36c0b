"""Ownership of partitions, through Faust's `TableManager` setting: open, run, quiesce.

Faust's group assigns and revokes; what that means for the data path is decided here. Every
assignment opens its partitions anew, also one that stays: then all of them are short, and no belief
about what happened in between is needed.
"""

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from aiokafka import TopicPartition
from faust.tables.manager import TableManager
from faust.types import TP
from mode import Service

from creditfold.engine import private
from creditfold.engine.errors import EngineError, RefusedToStart
from creditfold.engine.partition import Partition
from creditfold.engine.reading import ConsumerThread
from creditfold.engine.recovery import Recovery

if TYPE_CHECKING:
    from creditfold.engine.app import Engine

log = structlog.get_logger(__name__)


class Ownership(TableManager):
    """Opens and closes partitions as the group assigns and revokes them."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        super().__init__(app, **kwargs)
        self.engine: Engine = app.engine
        self.partitions: dict[int, Partition] = {}
        self._recoverer = Recovery(self.engine)
        self._running: dict[int, asyncio.Task[None]] = {}
        self._opening: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._quiet_since = time.monotonic()
        app.on_partitions_revoked.connect(self._on_revoked)

    @property
    def _thread(self) -> ConsumerThread:
        consumer: Any = self.app.consumer
        thread: ConsumerThread = consumer.thread
        return thread

    # What Faust calls

    async def on_start(self) -> None:
        """Register the topics; the conductor subscribes when that is done."""
        self._tables_finalized.set()
        for name in (*self.engine.config.inputs, self.engine.config.changelog):
            self.app.topics.add(self.engine.topic(name))
        self._tables_registered.set()

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
        self._recoverer.close()

    # Quiescing

    async def _quiesce(self) -> None:
        """Stop opening, following and folding; what does not end in time is abandoned.

        An abandoned commit may have happened or not: the next owner's fence settles it, and the
        local store takes it from the changelog.
        """
        engine = self.engine
        engine.metrics.ready = False
        engine.feeding.clear()
        engine.assignments += 1
        self._quiet_since = time.monotonic()
        await _cancel(self._opening)
        await _cancel(self._following)
        self._opening = self._following = None
        for partition in self.partitions.values():
            partition.stop()
        await self._wait_for_batches()
        for mailbox in engine.mailboxes.values():
            mailbox.closed = True
        engine.mailboxes.clear()
        closing = list(self.partitions.values())
        for number in self.partitions:
            engine.metrics.partitions.pop(number, None)
        self.partitions.clear()
        await asyncio.gather(*(each.holdings.transactions.close() for each in closing))

    async def _wait_for_batches(self) -> None:
        if self._running:
            patience = self.engine.config.session_seconds * 0.6
            _, late = await asyncio.wait(self._running.values(), timeout=patience)
            for task in late:
                log.warning("batch abandoned", task=task.get_name())
                await _cancel(task)
        self._running.clear()

    # Opening

    async def _open(self, assigned: set[TP]) -> None:
        try:
            owned, standbys = self._split(assigned)
            await self._hold(assigned)
            if not await self._recoverer.is_member(self._thread, owned):
                log.warning("not a member of the group any more; waiting for the next assignment")
                return
            self._recoverer.keep_stores(owned | standbys)
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
        """Return owned and standby partitions; all inputs of a partition must come together."""
        config = self.engine.config
        parts: dict[str, set[int]] = {name: set() for name in (*config.inputs, config.changelog)}
        for tp in assigned:
            parts[tp.topic].add(tp.partition)
        owned = parts[config.inputs[0]]
        if any(parts[name] != owned for name in config.inputs):
            raise RefusedToStart(f"a partition's inputs were split between workers: {parts}")
        return owned, parts[config.changelog] - owned

    async def _hold(self, assigned: set[TP]) -> None:
        # not while a take is under way, see the feeder
        async with self.engine.reading:
            await self._thread.hold([TopicPartition(*tp) for tp in assigned])

    async def _run(self, owned: set[int]) -> None:
        engine = self.engine
        for holdings in await self._recoverer.open(self._thread, owned):
            number = holdings.number
            metrics = engine.metrics.partition(number)
            partition = Partition(holdings, engine.config, engine.clock, metrics, engine.turns)
            self.partitions[number] = partition
            engine.mailboxes[number] = holdings.mailbox
            task = asyncio.create_task(self._guard(partition), name=f"partition-{number}")
            self._running[number] = task

    async def _guard(self, partition: Partition) -> None:
        try:
            await partition.run()
        except Exception as error:
            await self.engine.fail(error)

    async def _follow(self, standbys: set[int]) -> None:
        if not standbys:
            return
        stores = {number: self._recoverer.stores[number] for number in standbys}
        reader = self.engine.changelog_reader()
        try:
            await reader.open()
            await reader.follow(stores, self.engine.changelog_id, self._count_standby)
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
            owned = dict(self.partitions)
            offsets = {
                TopicPartition(topic, number): offset
                for number, partition in owned.items()
                for topic, offset in partition.next_offsets.items()
            }
            if not offsets:
                continue
            if await self._thread.report(offsets):
                self._touch(owned)
            else:
                self.engine.metrics.group_commit_failures += 1

    def _touch(self, owned: dict[int, Partition]) -> None:
        # a member in good standing: nobody else can have written these partitions' changelog
        for number, partition in owned.items():
            if self.partitions.get(number) is partition:
                partition.holdings.store.touch(self.engine.clock.wall())

    @Service.task
    async def _watch(self) -> None:
        """End a worker that is left without an assignment: the group may have lost it silently."""
        patience = self.engine.config.session_seconds * 4 + 60
        while not self.should_stop:
            await self.sleep(5.0)
            opening = self._opening is not None and not self._opening.done()
            if self.engine.metrics.ready or opening:
                self._quiet_since = time.monotonic()
            elif time.monotonic() - self._quiet_since > patience:
                error = EngineError(f"the group has assigned nothing for {patience:.0f} s")
                await self.engine.fail(error)


async def _cancel(task: "asyncio.Task[None] | None") -> None:
    if task is None or task is asyncio.current_task():
        return
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task

"""Faust's transport with our own way of reading: committed records, in batches, into mailboxes.

Faust stays the host: its consumer thread keeps the group membership and its assignor places input
partitions, changelog partitions and standbys. Its conductor and agents carry nothing. The feeder
(`Transport.Fetcher`) takes what was fetched for partitions whose mailbox has room, by aiokafka's
public `getmany`, so no record passes Faust's acknowledgement bookkeeping.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from mode import Service

from creditfold.engine.config import EngineConfig
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.metrics import Metrics
from creditfold.engine.seam import Record

log = structlog.get_logger(__name__)

SCHEME = "creditfold"
_TAKE_RECORDS = 5_000


class Delivery(NamedTuple):
    """What one fetch brought for one topic partition; `end` is the last stable offset."""

    records: Sequence[Record]
    before: int
    after: int
    end: int
    polled: int


class Host(Protocol):
    """What the transport asks of the app that it is part of."""

    config: EngineConfig
    metrics: Metrics
    mailboxes: dict[int, Mailbox]
    reading: asyncio.Lock
    feeding: asyncio.Event
    assignments: int

    async def fail(self, error: BaseException) -> None:
        """End the process with `error` as its last word."""


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread around a read-committed consumer, with batch reading."""

    kafka: AIOKafkaConsumer

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        conf = self.app.conf
        config: EngineConfig = self.app.engine.config  # type: ignore[attr-defined]
        self._assignor = self.app.assignor
        self.kafka = AIOKafkaConsumer(
            client_id=conf.broker_client_id,
            group_id=conf.id,
            bootstrap_servers=driver.server_list(transport.url, transport.default_port),
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # positions come from the state; a silent reset would skip or repeat records
            auto_offset_reset="none",
            isolation_level="read_committed",
            # one request waits for all partitions of a broker, so a long wait for an idle
            # partition would hold up a busy one
            fetch_max_wait_ms=round(config.fetch_wait_seconds * 1_000),
            max_poll_interval_ms=2**31 - 1,  # liveness is the session's; recovery may take long
            request_timeout_ms=round(conf.broker_request_timeout * 1_000),
            session_timeout_ms=round(conf.broker_session_timeout * 1_000),
            rebalance_timeout_ms=round(conf.broker_rebalance_timeout * 1_000),
            heartbeat_interval_ms=round(conf.broker_heartbeat_interval * 1_000),
            **driver.credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context),
        )
        return self.kafka

    async def take(
        self, tps: Sequence[TopicPartition], seconds: float
    ) -> dict[TopicPartition, Delivery]:
        """Return what was fetched for `tps` and how far each has been read."""
        return await self.call_thread(self._take, tps, seconds)  # type: ignore[no-any-return]

    async def _take(
        self, tps: Sequence[TopicPartition], seconds: float
    ) -> dict[TopicPartition, Delivery]:
        kafka = self.kafka
        before = {tp: await kafka.position(tp) for tp in tps}
        fetched = await kafka.getmany(
            *tps, timeout_ms=round(seconds * 1_000), max_records=_TAKE_RECORDS
        )
        taken = {}
        for tp in tps:
            end, polled = kafka.last_stable_offset(tp), kafka.last_poll_timestamp(tp)
            if end is None or polled is None:
                end, polled = 1 << 62, 0  # not heard of the broker yet: there may be more
            taken[tp] = Delivery(
                [_record(each) for each in fetched.get(tp, ())],
                before[tp],
                await kafka.position(tp),
                end,
                polled * 1_000,
            )
        return taken

    async def hold(self, tps: Sequence[TopicPartition]) -> None:
        """Fetch nothing from `tps` until they are sought to where they belong."""
        await self.call_thread(self._hold, tps)

    async def _hold(self, tps: Sequence[TopicPartition]) -> None:
        for tp in tps:
            self.kafka.seek(tp, 0)  # without a position aiokafka would look for a committed one
        self.kafka.pause(*tps)

    async def release(self, starts: Mapping[TopicPartition, int]) -> None:
        """Seek to `starts`, whatever the group has committed, and fetch from there."""
        await self.call_thread(self._release, starts)

    async def _release(self, starts: Mapping[TopicPartition, int]) -> None:
        for tp, offset in starts.items():
            self.kafka.seek(tp, offset)
        self.kafka.resume(*starts)

    async def bounds(
        self, tps: Sequence[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Return the first and the next offset of each topic partition."""
        return await self.call_thread(self._bounds, tps)  # type: ignore[no-any-return]

    async def _bounds(
        self, tps: Sequence[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        return await self.kafka.beginning_offsets(tps), await self.kafka.end_offsets(tps)

    async def committed(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the group's offsets."""
        return await self.call_thread(self._committed, tps)  # type: ignore[no-any-return]

    async def _committed(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        return {tp: await self.kafka.committed(tp) for tp in tps}

    async def report(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit group offsets; False if this process is no member in good standing."""
        return await self.call_thread(self._report, offsets)  # type: ignore[no-any-return]

    async def _report(self, offsets: Mapping[TopicPartition, int]) -> bool:
        assigned = self.kafka.assignment()
        if not set(offsets) <= assigned:
            return False
        try:
            await self.kafka.commit({tp: OffsetAndMetadata(at, "") for tp, at in offsets.items()})
        except (CommitFailedError, IllegalStateError):
            return False
        except KafkaError as error:
            log.warning("group offsets not committed", error=repr(error))
            return False
        return True


def _record(each: Any) -> Record:
    return Record(
        each.topic,
        each.partition,
        each.offset,
        each.timestamp * 1_000,
        each.key,
        each.value,
        each.headers,
    )


class Consumer(driver.Consumer):
    """Faust's consumer on our thread."""

    thread: ConsumerThread

    def _new_consumer_thread(self) -> ConsumerThread:
        self.thread = ConsumerThread(self, loop=self.loop, beacon=self.beacon)
        return self.thread

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Stay silent: Faust looks for streams here, and the engine has its own lag metrics."""


class Feeder(Service):
    """Moves fetched records into the mailboxes that have room."""

    def __init__(self, app: Any, **kwargs: Any) -> None:
        self.app = app
        super().__init__(**kwargs)

    @Service.task
    async def _feed(self) -> None:
        engine: Host = self.app.engine
        try:
            while not self.should_stop:
                await engine.feeding.wait()
                await self._round(engine, self.app.consumer.thread)
        except Exception as error:
            await engine.fail(error)
        finally:
            self.set_shutdown()

    async def _round(self, engine: Host, thread: ConsumerThread) -> None:
        # held while a take is under way: a seek in between would make its records stray
        async with engine.reading:
            wanted = {
                TopicPartition(lane.topic, number): mailbox
                for number, mailbox in engine.mailboxes.items()
                for lane in mailbox.lanes
                if mailbox.room(lane.topic)
            }
            if wanted:
                await self._take(engine, thread, wanted)
        await asyncio.sleep(0 if wanted else 0.005)

    async def _take(
        self, engine: Host, thread: ConsumerThread, wanted: Mapping[TopicPartition, Mailbox]
    ) -> None:
        assignment = engine.assignments
        try:
            # short, so that a mailbox that gets room is asked for soon
            taken = await thread.take(list(wanted), engine.config.fetch_wait_seconds)
        except Exception:
            # across a rebalance a take may fail in many ways, and belongs to nobody any more
            if engine.assignments != assignment:
                return
            raise
        if engine.assignments == assignment:
            for tp, delivery in taken.items():
                wanted[tp].deliver(tp.topic, *delivery)


class Transport(driver.Transport):
    """The transport behind `creditfold://` broker URLs."""

    Consumer = Consumer
    Fetcher = Feeder


def register() -> None:
    """Make the URL scheme known where the package's entry points are not installed."""
    TRANSPORTS.aliases.setdefault(SCHEME, f"{__name__}:Transport")

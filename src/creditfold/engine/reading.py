"""Reading committed records in batches, on Faust's consumer thread.

The thread keeps the group membership as before. Every other use of aiokafka's consumer, such as
`getmany`, `seek` and `commit`, is public and runs in that thread.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faust.transport.drivers import aiokafka as driver

from creditfold.engine.config import EngineConfig
from creditfold.log.records import Record

log = structlog.get_logger(__name__)

_TAKE_RECORDS = 5_000
_POSITION_SECONDS = 1.0


class Delivery(NamedTuple):
    """What one fetch brought for one topic partition; `end` is the last stable offset."""

    records: Sequence[Record]
    before: int
    after: int
    end: int
    polled: int


class ConsumerThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread around a read-committed consumer, with batch reading."""

    kafka: AIOKafkaConsumer

    def _create_worker_consumer(self, transport: driver.Transport) -> AIOKafkaConsumer:
        conf = self.app.conf
        config: EngineConfig = self.app.engine.config  # type: ignore[attr-defined]  # Faust knows its app by a wider class
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
        """Return what was fetched for `tps` and how far each has been read.

        TimeoutError where a new assignment came in between: without a position, and without an
        offset of the group, aiokafka waits for a seek, which would wait for this to end.
        """
        return await self.call_thread(self._take, tps, seconds)  # type: ignore[no-any-return]  # the library leaves it untyped

    async def _take(
        self, tps: Sequence[TopicPartition], seconds: float
    ) -> dict[TopicPartition, Delivery]:
        async with asyncio.timeout(seconds + _POSITION_SECONDS):
            return await self._taken(tps, seconds)

    async def _taken(
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
                fetched.get(tp, ()),
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
        return await self.call_thread(self._bounds, tps)  # type: ignore[no-any-return]  # the library leaves it untyped

    async def _bounds(
        self, tps: Sequence[TopicPartition]
    ) -> tuple[dict[TopicPartition, int], dict[TopicPartition, int]]:
        return await self.kafka.beginning_offsets(tps), await self.kafka.end_offsets(tps)

    async def committed(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        """Return the group's offsets."""
        return await self.call_thread(self._committed, tps)  # type: ignore[no-any-return]  # the library leaves it untyped

    async def _committed(self, tps: Sequence[TopicPartition]) -> dict[TopicPartition, int | None]:
        return {tp: await self.kafka.committed(tp) for tp in tps}

    async def report(self, offsets: Mapping[TopicPartition, int]) -> bool:
        """Commit group offsets; False if this process is no member in good standing."""
        return await self.call_thread(self._report, offsets)  # type: ignore[no-any-return]  # the library leaves it untyped

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


def record(_: Any, tp: TopicPartition, raw: Any) -> Record:
    """Make of aiokafka's raw record what a fold takes; see `private.adapt`."""
    return Record(
        tp.topic,
        tp.partition,
        raw.offset,
        raw.timestamp * 1_000,
        raw.key,
        raw.value,
        tuple(raw.headers),
    )

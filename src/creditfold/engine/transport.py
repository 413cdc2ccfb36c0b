"""Faust's transport with our own way of reading: committed records, in batches, into mailboxes.

Faust stays the host: its consumer thread keeps the group membership and its assignor places input
partitions, changelog partitions and standbys. Its conductor and agents carry nothing. The feeder
(`Transport.Fetcher`) takes what was fetched for partitions whose mailbox has room, by aiokafka's
public `getmany`, so no record passes Faust's acknowledgement bookkeeping.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from aiokafka import TopicPartition
from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as driver
from mode import Service

from creditfold.engine.config import EngineConfig
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.metrics import Metrics
from creditfold.engine.reading import ConsumerThread

SCHEME = "creditfold"

# A round costs the same for one record as for thousands, and takes its time from the commits that
# the records wait for; rounds without pause double the latency of a few hundred records a second.
_ROUND_SECONDS = 0.01


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
        next_at = self.loop.time() + _ROUND_SECONDS
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
        await asyncio.sleep(next_at - self.loop.time())

    async def _take(
        self, engine: Host, thread: ConsumerThread, wanted: Mapping[TopicPartition, Mailbox]
    ) -> None:
        assignment = engine.assignments
        try:
            # short, so that a mailbox that gets room is asked for soon
            taken = await thread.take(list(wanted), engine.config.fetch_wait_seconds)
        except TimeoutError:
            return  # what it may have lost, the next delivery does not join
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

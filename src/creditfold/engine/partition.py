"""The task of one owned partition: mailbox → batch → fold → transaction → store, one at a time.

The task owns its mailbox, producer, store and folder, so inputs, clock steps and transactions are
serial without a lock: a clock sweep and an input batch can never both open a transaction.
"""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import structlog

from creditfold.engine.batch import advance, closing_time, order, ready
from creditfold.engine.clock import Clock
from creditfold.engine.config import EngineConfig
from creditfold.engine.errors import Halted
from creditfold.engine.mailbox import Mailbox
from creditfold.engine.metrics import PartitionMetrics
from creditfold.engine.position import Position
from creditfold.engine.seam import Folder, Header, Output, Result
from creditfold.engine.store import POSITION, STATE, Store
from creditfold.engine.transaction import Transactions
from creditfold.log.order import timed

log = structlog.get_logger(__name__)

_LOOK_EVERY = 64  # inputs between two looks at the clock while folding
_IDLE_SECONDS = 0.5


@dataclass(slots=True)
class Holdings:
    """What the task of one partition owns."""

    number: int
    store: Store
    transactions: Transactions
    mailbox: Mailbox
    folder: Folder
    position: Position
    ids: dict[str, str]


class Partition:
    """Folds one partition until told to stop; whatever it cannot be sure of, it raises."""

    def __init__(
        self,
        holdings: Holdings,
        config: EngineConfig,
        clock: Clock,
        metrics: PartitionMetrics,
        turns: asyncio.Semaphore,
    ) -> None:
        self.holdings = holdings
        self._config = config
        self._limits = config.limits
        self._clock = clock
        self._metrics = metrics
        self._turns = turns
        self._position = holdings.position
        self._stopping = False
        metrics.log_time = holdings.position.now

    @property
    def next_offsets(self) -> dict[str, int]:
        """Return what is folded and committed, for lag monitoring."""
        return dict(self._position.next)

    def stop(self) -> None:
        """End the task after the batch in hand."""
        self._stopping = True
        self.holdings.mailbox.wake()

    async def run(self) -> None:
        """Fold batch after batch; return when stopped or halted."""
        try:
            while not self._stopping:
                await self._step()
        except Halted as halted:
            self.holdings.mailbox.closed = True
            self._metrics.halted = str(halted)
            log.exception("partition halted", partition=self.holdings.number, reason=str(halted))

    async def _step(self) -> None:
        wall = self._clock.wall()
        rest = self._rest(wall)
        if rest > 0:
            await self.holdings.mailbox.news(rest)
        elif self.holdings.mailbox.waiting() >= self._limits.linger_records:
            await self._batch(wall)
        else:
            async with self._turns:
                await self._turn()

    async def _turn(self) -> None:
        # while others had theirs more may have come, or the end of the task
        wall = self._clock.wall()
        if not self._stopping and self._rest(wall) <= 0:
            await self._batch(wall)

    def _rest(self, wall: int) -> float:
        """Return the seconds until a batch may be due; it is at zero or less."""
        mailbox, limits = self.holdings.mailbox, self._limits
        if ready(mailbox.lanes):
            if mailbox.waiting() >= limits.linger_records:
                return 0.0
            return mailbox.first_at + limits.linger_seconds - time.monotonic()
        return 0.0 if self._clock_is_due() else self._idle_seconds(wall)

    def _clock_is_due(self) -> bool:
        seen, due = self._seen(), self.holdings.folder.due_at()
        return seen is not None and due is not None and due <= seen

    def _seen(self) -> int | None:
        return None if self.holdings.folder.held else self.holdings.mailbox.seen()

    def _idle_seconds(self, wall: int) -> float:
        due = self.holdings.folder.due_at()
        if due is None:
            return _IDLE_SECONDS
        # what is due is folded once a fetch has shown that nothing older is unread
        return min(_IDLE_SECONDS, max((due - wall) / 1_000_000, 0.01))

    async def _batch(self, wall: int) -> None:
        started = time.perf_counter()
        header, result = self._fold(wall)
        folded = time.perf_counter()
        position = self._advance(header, result)
        await self._commit(header, result, position)
        self.holdings.mailbox.first_at = 0.0  # what waits by now has waited long enough
        self._position = position
        self._measure(header, result, folded - started, time.perf_counter() - folded)

    def _fold(self, wall: int) -> tuple[Header, Result]:
        folder, lanes = self.holdings.folder, self.holdings.mailbox.lanes
        begun = now = self._position.now
        size, taken = 0, []
        ceiling = max(wall, begun)
        deadline = time.perf_counter() + self._limits.fold_seconds

        def spent() -> bool:
            return time.perf_counter() > deadline

        waiting = islice(order(lanes, ceiling), self._limits.batch_records)
        for record, now, said in folder.read(timed(waiting, begun, ceiling)):
            try:
                size += folder.fold(record, now, said)
            except Exception as error:
                raise Halted(
                    f"{record.topic}-{record.partition}@{record.offset}: {error!r}"
                ) from error
            taken.append(record)
            if size >= self._limits.batch_bytes:
                break
            if not len(taken) % _LOOK_EVERY and spent():
                break
        ranges = advance(lanes, taken)
        seen = self._seen()
        header = Header(
            partition=self.holdings.number,
            batch=self._position.batch + 1,
            now=closing_time(now, ceiling, seen),
            ranges=ranges,
            caught_up=seen is not None,
        )
        try:
            return header, folder.seal(header, spent)
        except Exception as error:
            raise Halted(f"end of batch {header.batch}, {ranges}: {error!r}") from error

    def _advance(self, header: Header, result: Result) -> Position:
        ends = {each.topic: each.end for each in header.ranges}
        return Position(
            batch=header.batch,
            now=header.now,
            next={lane.topic: lane.next for lane in self.holdings.mailbox.lanes} | ends,
            ids=self.holdings.ids,
            note=result.note,
        )

    async def _commit(self, header: Header, result: Result, position: Position) -> None:
        number, changelog = self.holdings.number, self._config.changelog
        encoded = position.encode()
        sent = self._clock.wall()
        receipt = await self.holdings.transactions.commit(
            self._records(result, encoded), number, header.now
        )
        appended = receipt.appended((changelog, number))
        if appended is not None:
            self._clock.check(sent, appended, self._clock.wall())
        after = receipt.next_offset((changelog, number))
        self.holdings.store.write(result.changes, result.due, encoded, after)

    def _records(self, result: Result, position: bytes) -> Iterator[Output]:
        yield from result.outputs
        changelog = self._config.changelog
        for key, value in result.changes.items():
            yield Output(changelog, STATE + key, value)
        yield Output(changelog, POSITION, position)

    def _measure(self, header: Header, result: Result, fold: float, commit: float) -> None:
        metrics = self._metrics
        count = sum(each.records for each in header.ranges)
        metrics.batches += 1
        metrics.clock_batches += not count
        metrics.records += count
        metrics.outputs += len(result.outputs)
        metrics.last_batch_records = count
        metrics.fold_seconds += fold
        metrics.commit_seconds += commit
        metrics.last_commit_seconds = commit
        metrics.log_time = header.now

"""One Kafka transaction for each batch, on the partition's own producer.

aiokafka's `commit_transaction` waits for record batches but does not ask whether they failed, so
every send future is awaited and checked here before the transaction ends. Consumer offsets never
join the transaction: the position record in it says how far the partition is.
"""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    IllegalOperation,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    ProducerFenced,
)
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.structs import RecordMetadata

from creditfold.engine.errors import EngineError, Fenced
from creditfold.engine.seam import Output

Address = tuple[str, int]
_FENCED = (
    ProducerFenced,
    InvalidProducerEpoch,
    InvalidTxnState,
    InvalidProducerIdMapping,
    IllegalOperation,  # to send on, once the producer's own task has learned that it is fenced
)


class Receipt:
    """Where the last record of each topic partition landed; offsets, and append times if any."""

    def __init__(self, landed: dict[Address, tuple[RecordMetadata, int]]) -> None:
        self._landed = landed

    def next_offset(self, address: Address) -> int:
        """Return the offset after the last record sent to `address`."""
        metadata, count = self._landed[address]
        return int(metadata.offset) + count

    def appended(self, address: Address) -> int | None:
        """Return the broker's append time in microseconds, None where the producer's is kept."""
        metadata, _ = self._landed[address]
        return int(metadata.timestamp) * 1_000 if metadata.timestamp_type == 1 else None


class Transactions:
    """The transactional producer of one partition.

    `open` fences: whoever held the id before can commit nothing more, and what it left open is
    aborted when `open` returns. So the changelog and the position are read only after it.
    """

    def __init__(
        self,
        kafka: Mapping[str, Any],
        transactional_id: str,
        timeout_seconds: float,
        batch_bytes: int,
    ) -> None:
        self.transactional_id = transactional_id
        self._patience = timeout_seconds * 3
        self._producer = AIOKafkaProducer(
            transactional_id=transactional_id,
            transaction_timeout_ms=round(timeout_seconds * 1_000),
            max_batch_size=batch_bytes,
            # a third of the bytes for 5 µs an event; aiokafka's lz4 takes 40 µs for the same
            compression_type="snappy",
            # the broker's limits are the ones that count
            max_request_size=1 << 30,
            **kafka,
        )

    async def open(self) -> None:
        """Fence the previous owner and wait until what it left open has been aborted."""
        await self._producer.start()

    async def close(self) -> None:
        """Let go of the connections; a transaction left open is aborted by the next owner."""
        with suppress(KafkaError, TimeoutError, AssertionError):
            await asyncio.wait_for(self._producer.stop(), 5.0)

    async def commit(self, outputs: Iterable[Output], partition: int, now: int) -> Receipt:
        """Send `outputs` and commit; when this raises, nothing is known to be committed."""
        try:
            async with asyncio.timeout(self._patience):
                await self._producer.begin_transaction()
                receipt = await self._send(outputs, partition, now)
                await self._producer.commit_transaction()
                return receipt
        except _FENCED as error:
            raise Fenced(
                f"{self.transactional_id} was fenced: another worker owns the partition, or the "
                f"transaction took longer than its time-out ({error!r})"
            ) from error
        except TimeoutError as error:
            raise EngineError(
                f"{self.transactional_id}: no commit within {self._patience:.0f} s"
            ) from error
        except KafkaError as error:
            await self._abort()
            raise EngineError(f"{self.transactional_id}: commit failed: {error!r}") from error

    async def _send(self, outputs: Iterable[Output], partition: int, now: int) -> Receipt:
        batches: dict[Address, BatchBuilder] = {}
        sent: list[tuple[Address, int, asyncio.Future[RecordMetadata]]] = []
        for output in outputs:
            address = (output.topic, partition if output.partition is None else output.partition)
            stamp = (now if output.timestamp is None else output.timestamp) // 1_000
            batch = batches.get(address)
            if batch is None:
                batch = batches[address] = self._producer.create_batch()
            if not _append(batch, output, stamp):
                sent.append(await self._dispatch(address, batch))
                batch = batches[address] = self._producer.create_batch()
                _append(batch, output, stamp)
        for address, batch in batches.items():
            sent.append(await self._dispatch(address, batch))
        # all of them, even after one has failed: a future nobody asks is a failure nobody sees
        results = await asyncio.gather(*(future for _, _, future in sent), return_exceptions=True)
        landed = {}
        for (address, count, _), result in zip(sent, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            landed[address] = (result, count)
        return Receipt(landed)

    async def _dispatch(
        self, address: Address, batch: BatchBuilder
    ) -> tuple[Address, int, "asyncio.Future[RecordMetadata]"]:
        topic, partition = address
        count = batch.record_count()
        future = await self._producer.send_batch(batch, topic, partition=partition)
        return address, count, future

    async def _abort(self) -> None:
        with suppress(Exception):  # the process ends anyway; the broker's time-out does it then
            await asyncio.wait_for(self._producer.abort_transaction(), 5.0)


def _append(batch: BatchBuilder, output: Output, stamp: int) -> bool:
    # aiokafka's builder in C takes nothing but a list for headers
    headers = [*output.headers] if output.headers else []
    appended = batch.append(timestamp=stamp, key=output.key, value=output.value, headers=headers)
    return appended is not None

"""What all partitions on Kafka have folded, to be merged: each is read once, and kept in a file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from typing import cast

import msgspec

from creditfold.audit.replay import Log, Recorded
from creditfold.broker.kafka_log import LiveLog
from creditfold.broker.plan import equal_count
from creditfold.cli.cluster import Cluster, one_by_one
from creditfold.log.records import Headers, Record

_SIZE = 4
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(
    tuple[
        tuple[str, int, int, int],
        bytes | None,
        bytes | None,
        tuple[tuple[str, bytes | None], ...],  # a header may be without a value
        int,
    ]
)


class Spool:
    """What a partition has folded, in a temporary file, so that no reader of it stays open.

    `now` is the log's time where the partition ended.
    """

    def __init__(self, log: Log) -> None:
        self._file = TemporaryFile()  # noqa: SIM115  # it is closed with the spool
        recorded = Recorded(log)
        for record, now in recorded:
            data = _encoder.encode((record[:4], record.key, record.value, record.headers, now))
            self._file.write(len(data).to_bytes(_SIZE) + data)
        self.now = recorded.now

    def close(self) -> None:
        """The file goes."""
        self._file.close()

    def __iter__(self) -> Iterator[tuple[Record, int]]:
        self._file.seek(0)
        while size := self._file.read(_SIZE):
            stored = self._file.read(int.from_bytes(size))
            place, key, value, headers, now = _decoder.decode(stored)
            yield Record(*place, key, value, cast("Headers", headers)), now


def spooled(run: Cluster, files: ExitStack) -> list[Spool]:
    """All partitions, in their order."""
    found = []
    for partition in one_by_one(equal_count(run.kafka)):
        spool = Spool(LiveLog(run.kafka, partition))
        files.callback(spool.close)
        found.append(spool)
    return found

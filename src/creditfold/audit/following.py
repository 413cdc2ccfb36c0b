"""Topics of one partition, read side by side while a worker may still write to them.

Each topic is read up to what was there when it was asked, and they are asked one after the other:
the ledger may end before or after a batch whose postings are there already. So a record that is
needed is asked for again, and what is left over sends the reader back to the ledger. A log that
nobody writes to says the same twice.
"""

from collections.abc import Collection, Iterator
from typing import Protocol, Self

from creditfold.log.records import Record


class Log(Protocol):
    """One partition of a recorded log."""

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""


class Following(Iterator[Record]):
    """The records of a topic; `ahead` is the next one as far as is known, and None at the end."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log, self._topic, self._next = log, topic, 0
        self._look()

    def _look(self) -> None:
        self._records = self._log.read(self._topic, self._next)
        self.ahead = next(self._records, None)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        if self.ahead is None:
            self._look()
        record = self.ahead
        if record is None:
            raise StopIteration
        self._next = record.offset + 1
        self.ahead = next(self._records, None)
        return record

    def rest(self) -> Iterator[Record]:
        """What is known and was not taken; the topic is not asked again."""
        while self.ahead is not None:
            yield next(self)


def followed(ledger: Following, sent: Collection[Following]) -> Iterator[Record]:
    """The ledger's records, as far as the records in `sent` come from: the caller takes those."""
    while ledger.ahead is not None or any(topic.ahead is not None for topic in sent):
        record = next(ledger, None)
        if record is None:
            return
        yield record

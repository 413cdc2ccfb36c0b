"""Topics of one partition, read side by side while a worker may still write to them.

Each topic is read up to what was there when it was asked, and they are asked one after the other:
the ledger may end before or after a batch whose postings are there already. So a record that is
needed is asked for again, and what is left over of the beginning sends the reader back to the
ledger. A log that nobody writes to says the same twice.
"""

from collections.abc import Collection, Iterator
from typing import Protocol, Self

from creditfold.log.records import Record


class Log(Protocol):
    """One partition of a recorded log."""

    def read(self, topic: str, start: int = 0) -> Iterator[Record]:
        """The records of a topic from an offset on."""


class Following(Iterator[Record]):
    """The records of a topic, asked for again where one is needed that was not there before."""

    def __init__(self, log: Log, topic: str) -> None:
        self._log, self._topic, self._next, self._looks = log, topic, 0, 0
        self._look()

    def _look(self) -> None:
        self._looks += 1
        self._records = self._log.read(self._topic, self._next)
        self._ahead = next(self._records, None)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Record:
        if self._ahead is None:
            self._look()
        return next(self.known())

    @property
    def owed(self) -> bool:
        """Whether a record is left that was there at the beginning: a batch has to explain it."""
        return self._ahead is not None and self._looks == 1

    def known(self) -> Iterator[Record]:
        """What was there when the topic was last asked; it is not asked again."""
        while (record := self._ahead) is not None:
            self._next = record.offset + 1
            self._ahead = next(self._records, None)
            yield record

    def rest(self) -> Iterator[Record]:
        """What is owed and was not taken."""
        if self.owed:
            yield from self.known()


def followed(ledger: Following, sent: Collection[Following]) -> Iterator[Record]:
    """The ledger's records, as far as the records owed by `sent` come from: the caller takes those.

    A look at the ledger ends with a whole batch. What is written later is the next audit's, or one
    beside a worker that writes faster than the audit reads would never end.
    """
    yield from ledger.known()
    while any(topic.owed for topic in sent):
        before = next(ledger, None)
        if before is None:
            return
        yield before
        yield from ledger.known()

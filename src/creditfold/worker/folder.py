"""What the engine plugs in: one folder of credit for each partition that a worker owns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from weakref import WeakValueDictionary

import msgspec

from creditfold.contract.partitions import Home, partition_of
from creditfold.contract.snapshots import Snapshot
from creditfold.contract.topics import TRANSFERS
from creditfold.core.bodies import Fact
from creditfold.core.entries import Outcome, Status
from creditfold.core.state import ACCOUNT, Account
from creditfold.engine import seam
from creditfold.engine.errors import RefusedToStart
from creditfold.log.records import Output, Record
from creditfold.partition.codec import FORMAT, decode_key, decode_record
from creditfold.partition.fold import PartitionFold
from creditfold.partition.snapshot import balance_at
from creditfold.partition.stored import StoredState
from creditfold.worker.delays import Delays

DUE_MAX = 2_000
"""Due items of a batch, however fast they fold: they are sent in one transaction."""

_ALL_DUE = (1 << 62, 1 << 30)
_ACCOUNTS = f"{ACCOUNT}\0".encode()


class Note(msgspec.Struct, frozen=True):
    """The folder's part of the position: format, chain of headers, and how many letters of late.

    `records` and `letters` count since the last multiple of `WINDOW`; they are kept with the
    position, or a restart would start to count anew and drain a topic into the dead letters.
    """

    format: int = FORMAT
    out: str = ""
    records: int = 0
    letters: int = 0


SAMPLE_EVERY = 64
"""One record of so many is looked at for its delay: measuring may not cost what it measures."""

WINDOW = 1_000
"""Records over which the share of dead letters is looked at."""


class TooManyDeadLettersError(Exception):
    """The partition halts: a bad deployment would otherwise turn the whole topic into letters."""


class Tally:
    """What the outcomes of a worker were, for whoever measures it."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.letters: Counter[str] = Counter()
        self.delays = Delays()

    def count(self, outcomes: Iterable[Outcome]) -> None:
        """Count outcomes by status and code."""
        for outcome in outcomes:
            self.outcomes[outcome.status, outcome.code or ""] += 1
            if outcome.status is Status.DEAD_LETTER:
                self.letters[outcome.code or ""] += 1


class CreditFolder:
    """Folds one partition over the engine's committed state."""

    def __init__(
        self, home: Home, reader: seam.Reader, note: Note, tally: Tally, letters_max: int
    ) -> None:
        due = ((instant, key.decode()) for instant, key in reader.due(*_ALL_DUE))
        self._state = StoredState(reader, due)
        self._fold = PartitionFold(self._state, home, note.out)
        self.read = self._fold.read
        self._records, self._letters = note.records, note.letters
        self.sealed = 0  # batches since this folder was made, the one not yet committed included
        self._tally = tally
        self._letters_max = letters_max
        self._home = home

    @property
    def held(self) -> bool:
        """True while an import of history keeps the wall clock out."""
        return self._fold.catalog.held

    def fold(self, record: Record, now: int, said: Fact | Exception) -> int:
        """Fold what a record said at log time `now`; about how many bytes that sends."""
        if self._records % SAMPLE_EVERY == 0:
            self._tally.delays.sample(record)
        taken = self._fold.take(record, now, said)
        self._look_at_letters(taken.dead_letter)
        return taken.size

    def _look_at_letters(self, dead_letter: bool) -> None:
        self._records += 1
        if self._records % WINDOW == 0:
            self._letters = 0
        if dead_letter:
            self._letters += 1
            if self._letters > self._letters_max:
                raise TooManyDeadLettersError(
                    f"more than {self._letters_max} of {WINDOW} records cannot be read: look at "
                    "them with `creditfold dead-letters list`, mend the producer, then start the "
                    "worker with a higher --dead-letters-max"
                )

    def seal(self, header: seam.Header, spent: Callable[[], bool]) -> seam.Result:
        """Fold what is due by `header.now` until the batch's time is spent, and end it.

        A midnight on which a hundred thousand grants are due is many batches, and usage that
        comes meanwhile is folded between them.
        """
        sealed = self._fold.seal(header.batch, header.now, header.ranges, DUE_MAX, spent=spent)
        self._tally.count(sealed.outcomes)
        result = seam.Result(
            outputs=tuple(map(self._placed, sealed.outputs)),
            changes=self._state.changes(),
            due=tuple(self._due_changes()),
            note=msgspec.json.encode(
                Note(out=sealed.out, records=self._records % WINDOW, letters=self._letters)
            ),
        )
        # What the engine cannot commit ends the process, so from here on it is the state.
        self._state.written()
        self.sealed += 1
        return result

    def _placed(self, output: Output) -> seam.Output:
        """What another customer is told goes to the partition where that one lives."""
        partition = None
        if output.topic == TRANSFERS.name and output.key is not None:
            partition = partition_of(output.key, self._home.partitions)
        return seam.Output(*output, partition=partition)

    def _due_changes(self) -> Iterator[seam.DueChange]:
        for customer, before, after in self._state.due_changes():
            key = customer.encode()
            if before is not None:
                yield seam.DueChange(before, key, add=False)
            if after is not None:
                yield seam.DueChange(after, key, add=True)

    def due_at(self) -> int | None:
        """When the clock next has something to do, in microseconds."""
        return self._fold.next_due()

    def balance(self, customer: str, at: int) -> Snapshot | None:
        """The customer's balances as of an instant, or None where it is not known."""
        return balance_at(self._state, self._fold.catalog, customer, at)


class CreditFolding:
    """Makes the folders of a worker and has those at hand that the engine holds."""

    def __init__(self, partitions: int, letters_max: int) -> None:
        self.tally = Tally()
        self.folders: WeakValueDictionary[int, CreditFolder] = WeakValueDictionary()
        self._partitions = partitions
        self._letters_max = letters_max

    def folder(self, partition: int, reader: seam.Reader, note: bytes | None) -> CreditFolder:
        """A folder of the partition; `note` is from its last batch."""
        read = Note() if note is None else msgspec.json.decode(note, type=Note)
        home = Home(partition, self._partitions)
        if read.format != FORMAT:
            raise RefusedToStart(
                f"partition {partition} has state of format {read.format}, this version reads "
                f"{FORMAT}: use the version that wrote it"
            )
        folder = CreditFolder(home, reader, read, self.tally, self._letters_max)
        self.folders[partition] = folder
        return folder

    def due_of(self, key: bytes, value: bytes) -> Iterable[tuple[int, bytes]]:
        """When the customer whose account this is next falls due."""
        if key.startswith(_ACCOUNTS):
            account: Account = decode_record(ACCOUNT, value)
            if account.next_due is not None:
                yield account.next_due, decode_key(key)[0].encode()

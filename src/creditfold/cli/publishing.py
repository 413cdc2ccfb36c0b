"""Publishing: each line is checked here by the contract, then sent and folded in chunks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from creditfold.cli.lines import Line, lines
from creditfold.contract.decode import decode
from creditfold.contract.envelope import (
    EVENT_BYTES_MAX,
    Envelope,
    Undecodable,
    read_line,
    write_binary,
)
from creditfold.contract.topics import TRANSFERS, topic_of
from creditfold.core.entries import Outcome, Status
from creditfold.core.facts import Malformed
from creditfold.core.rejections import Code
from creditfold.local.runtime import Input, LocalRuntime

CHUNK_LINES = 2_000
CHUNK_BYTES = 8 << 20


class Problem(NamedTuple):
    """A line that did not count: found here before it was sent, or refused by the fold."""

    line: int
    found_by: str
    code: str
    detail: str
    id: str | None = None
    source: str | None = None


def check(line: Line) -> Envelope | Problem:
    """The event of a line, or why it breaks the contract."""
    try:
        envelope = read_line(line.text)
    except Undecodable as error:
        detail = error.detail
        if not line.whole:
            detail = f"{line.size} bytes; an event has at most {EVENT_BYTES_MAX}: split it"
        return Problem(line.number, "check", error.code, detail)
    if envelope.type in TRANSFERS.types:
        detail = f"{envelope.type} is what partitions tell each other; send credit.transferred"
        return Problem(
            line.number, "check", Code.UNKNOWN_TYPE, detail, envelope.id, envelope.source
        )
    body = decode(envelope, envelope.time).body
    if isinstance(body, Malformed):
        return Problem(line.number, "check", body.code, body.detail, envelope.id, envelope.source)
    return envelope


class Counts:
    """What became of the lines so far. `earlier` outcomes are of inputs that were on the log."""

    def __init__(self) -> None:
        self.lines = 0
        self.bad = 0
        self.statuses: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.due = 0
        self.earlier = 0

    @property
    def clean(self) -> bool:
        """Whether every line counted, now or when it was sent before."""
        return not self.codes


class _Sent(NamedTuple):
    number: int
    text: bytes


class Publisher:
    """Sends the good lines of a stream to a runtime and folds them.

    Record time is the line's own `recordedtime`, else the clock's: never the event's time. A
    chunk is on disk before its outcomes are told, so a second run of the same lines is safe.
    """

    def __init__(
        self,
        runtime: LocalRuntime,
        clock: Callable[[], int],
        report: Callable[[Problem], None],
        rejects: BinaryIO | None = None,
    ) -> None:
        self.counts = Counts()
        self._runtime = runtime
        self._clock = clock
        self._report = report
        self._rejects = rejects
        self._last = 0
        self._inputs: list[Input] = []
        self._sent: list[_Sent] = []
        self._bytes = 0

    def publish(self, stream: BinaryIO) -> Iterator[Counts]:
        """Publish all lines; the counts after each chunk."""
        self._fold({})  # what an interrupted run had sent is folded first, as it came first
        for line in lines(stream, EVENT_BYTES_MAX, self._keep):
            self.counts.lines += 1
            self._take(line)
            if len(self._inputs) >= CHUNK_LINES or self._bytes >= CHUNK_BYTES:
                self._flush()
                yield self.counts
        self._flush()
        yield self.counts

    def _keep(self, piece: bytes) -> None:
        if self._rejects is not None:
            self._rejects.write(piece)

    def _take(self, line: Line) -> None:
        found = check(line)
        if isinstance(found, Problem):
            self._refuse(line, found)
            return
        self._inputs.append(self._input(found))
        self._sent.append(_Sent(line.number, line.text))
        self._bytes += len(line.text)

    def _input(self, envelope: Envelope) -> Input:
        recorded = envelope.recordedtime
        if recorded is None:
            # Two lines at one microsecond would be folded by topic: keep the order of the file.
            recorded = self._last = max(self._clock(), self._last + 1)
        return Input(topic_of(envelope.type).name, recorded, *write_binary(envelope))

    def _refuse(self, line: Line, problem: Problem) -> None:
        self.counts.bad += 1
        self._problem(problem, line.text if line.whole else b"")  # the rest is kept already

    def _problem(self, problem: Problem, text: bytes) -> None:
        self.counts.codes[problem.code] += 1
        self._keep(text + b"\n")
        self._report(problem)

    def _flush(self) -> None:
        sent: dict[tuple[str, int], _Sent] = {}
        ends: dict[str, int] = {}
        for record, line in zip(self._inputs, self._sent, strict=True):
            offset = ends.get(record.topic, self._runtime.log.end(record.topic))
            ends[record.topic] = offset + 1
            sent[record.topic, offset] = line
        if self._inputs:
            self._runtime.append(self._inputs)
        self._inputs, self._sent, self._bytes = [], [], 0
        self._fold(sent)

    def _fold(self, sent: dict[tuple[str, int], _Sent]) -> None:
        for batch in self._runtime.run():
            for outcome in batch.outcomes:
                self._count(outcome, sent)

    def _count(self, outcome: Outcome, sent: dict[tuple[str, int], _Sent]) -> None:
        cause = outcome.cause
        if cause.topic is None or cause.offset is None:
            self.counts.due += 1
            return
        line = sent.get((cause.topic, cause.offset))
        if line is None:
            self.counts.earlier += 1
            return
        self.counts.statuses[outcome.status] += 1
        if outcome.status in (Status.REJECTED, Status.DEAD_LETTER):
            code, detail = str(outcome.code), str(outcome.detail)
            problem = Problem(line.number, "fold", code, detail, cause.id, cause.source)
            self._problem(problem, line.text)

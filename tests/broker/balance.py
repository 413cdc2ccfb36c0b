"""A worker with the smallest fold that shows every fault: a balance per key, one output per input.

Run as a process by the tests; `sys.argv[1]` is a JSON object of what `EngineConfig` takes. An input
is `{"id", "n"}`, with `"due"` (microseconds) to set a timer, `"poison"` to break the fold, `"held"`
to hold or release the clock.
"""

import dataclasses
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import msgspec
import structlog

from creditfold.engine.app import EngineApp, run
from creditfold.engine.config import EngineConfig, Limits, Security
from creditfold.engine.recovery import Recovery
from creditfold.engine.seam import DueChange, Header, Output, Reader, Result
from creditfold.log.records import Record


class BalanceFolder:
    def __init__(self, ledger: str, reader: Reader, note: bytes | None) -> None:
        self._ledger = ledger
        self._reader = reader
        self.held = note == b"held"
        self._timers = {(instant, key) for instant, key in reader.due(1 << 62, 1 << 30)}
        self._start()

    def _start(self) -> None:
        self._changes: dict[bytes, bytes | None] = {}
        self._outputs: list[Output] = []
        self._due: list[DueChange] = []

    def _balance(self, key: bytes) -> int:
        state = b"b" + key
        value = self._changes[state] if state in self._changes else self._reader.get(state)
        return int(value or 0)

    def _put(self, key: bytes, **entry: object) -> int:
        value = msgspec.json.encode({"key": key.decode(), **entry})
        self._outputs.append(Output(self._ledger, key, value))
        return len(value)

    def read(self, records: Iterable[tuple[Record, int]]) -> Iterator[tuple[Record, int, None]]:
        return ((record, now, None) for record, now in records)

    def fold(self, record: Record, now: int, said: None) -> int:
        fact, key = msgspec.json.decode(record.value), record.key
        if "poison" in fact:
            raise AssertionError("a broken invariant")
        if "held" in fact:
            self.held = fact["held"]
        for timer in sorted(t for t in self._timers if t[1] == key and t[0] <= now):
            self._ring(timer)
        if "due" in fact:
            self._timers.add((fact["due"], key))
            self._changes[b"t%020d%s" % (fact["due"], key)] = b"1"
            self._due.append(DueChange(fact["due"], key, add=True))
        balance = self._balance(key) + fact["n"]
        self._changes[b"b" + key] = b"%d" % balance
        cause = [record.topic, record.partition, record.offset]
        return self._put(key, id=fact["id"], balance=balance, cause=cause, at=now)

    def _ring(self, timer: tuple[int, bytes]) -> None:
        instant, key = timer
        self._timers.discard(timer)
        self._changes[b"t%020d%s" % (instant, key)] = None
        self._due.append(DueChange(instant, key, add=False))
        self._put(key, rang=instant)

    def seal(self, header: Header, spent: Callable[[], bool]) -> Result:
        for timer in sorted(t for t in self._timers if t[0] <= header.now):
            self._ring(timer)
        first = Output(self._ledger, b"header", msgspec.json.encode({"header": header}))
        outputs, changes, due = [first, *self._outputs], self._changes, self._due
        self._start()
        return Result(outputs, changes, due, b"held" if self.held else b"free")

    def due_at(self) -> int | None:
        return min(self._timers)[0] if self._timers else None


class Balances:
    def __init__(self, ledger: str) -> None:
        self._ledger = ledger

    def folder(self, partition: int, reader: Reader, note: bytes | None) -> BalanceFolder:
        return BalanceFolder(self._ledger, reader, note)

    def due_of(self, key: bytes, value: bytes) -> Iterable[tuple[int, bytes]]:
        if key[:1] == b"t":
            yield int(key[1:21]), key[21:]


def write_metrics(app: EngineApp, path: Path) -> None:
    """Let the test see the engine's numbers: this process owns no port."""
    while True:
        time.sleep(0.2)
        partial = path.with_suffix(".part")
        partial.write_text(json.dumps(dataclasses.asdict(app.engine.metrics)))
        partial.replace(path)


def freeze_before_fencing(assignment: int) -> None:
    """Stop this process between its n-th assignment and the look at its membership."""
    asked, left = Recovery.is_member, [assignment]

    async def is_member(self: Recovery, *arguments: object) -> bool:
        left[0] -= 1
        if not left[0]:
            os.kill(os.getpid(), signal.SIGSTOP)
        return await asked(self, *arguments)

    Recovery.is_member = is_member


def main() -> None:
    arguments = json.loads(sys.argv[1])
    freeze_before_fencing(arguments.pop("freeze_at_assignment", 0))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.WARNING)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    ledger = arguments.pop("ledger")
    limits = Limits(**arguments.pop("limits", {}))
    security = Security(**arguments.pop("security", {}))
    state = Path(arguments.pop("state"))
    inputs = tuple(arguments.pop("inputs"))
    config = EngineConfig(state=state, inputs=inputs, limits=limits, security=security, **arguments)

    def attach(app: EngineApp) -> None:
        metrics = state / "metrics.json"
        threading.Thread(target=write_metrics, args=[app, metrics], daemon=True).start()

    run(config, Balances(ledger), attach)


if __name__ == "__main__":
    main()

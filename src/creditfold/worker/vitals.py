"""Whether a worker is alive and ready, told from outside its event loop.

All of it is read from the thread that serves HTTP: plain numbers of the engine, so two of them may
be a batch apart. Nothing here runs on the worker's loop but one assignment a second, which shows
that the loop turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from creditfold.engine.app import Engine, EngineApp
from creditfold.worker.folder import CreditFolding

_REASON_CHARS_MAX = 500


class _Progress(NamedTuple):
    batches: int
    at: float


class Vitals:
    """The signs of life of one worker; `look` has to be called about once a second."""

    def __init__(
        self,
        folding: CreditFolding,
        stalled_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folding = folding
        self.engine: Engine | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.owners: Callable[[], dict[int, str]] = dict
        self._stalled_seconds = stalled_seconds
        self._clock = clock
        self._turned = clock()
        self._progress: dict[int, _Progress] = {}
        self._looked = self._turned

    def attach(self, app: EngineApp) -> None:
        """The app is made and about to start; from here on the engine can be asked."""
        # the loop is taken here, since asking Faust for it in another thread would make a new one
        self.engine, self.loop = app.engine, app.loop
        self._turned = self._clock()
        changelog = app.engine.config.changelog

        def owners() -> dict[int, str]:
            return {
                partition: url
                for url, topics in dict(app.assignor.tables_metadata()).items()
                for partition in topics.get(changelog, ())
            }

        self.owners = owners

    def look(self) -> None:
        """Ask the loop for a sign of life, and note which partitions got on."""
        now = self._looked = self._clock()
        if self.engine is None or self.loop is None:
            self._turned = now  # it waits for Kafka, and there is no loop yet
            return
        with suppress(RuntimeError):  # the loop is closed: the process is about to end
            self.loop.call_soon_threadsafe(self._turn)
        known, self._progress = self._progress, {}
        for number, metrics in dict(self.engine.metrics.partitions).items():
            before = known.get(number)
            idle = metrics.halted is not None or not self.lag(number)
            if before is None or idle or before.batches != metrics.batches:
                before = _Progress(metrics.batches, now)
            self._progress[number] = before

    def _turn(self) -> None:
        self._turned = self._clock()

    @property
    def loop_silent_seconds(self) -> float:
        """How long the worker's loop has not turned."""
        return max(0.0, self._clock() - self._turned)

    def lag(self, partition: int) -> int:
        """Offsets that are not folded yet."""
        mailbox = None if self.engine is None else self.engine.mailboxes.get(partition)
        return 0 if mailbox is None else mailbox.lag()

    def unhealthy(self) -> list[str]:
        """Why the process should be started again; a halted partition is not cured by that."""
        reasons = []
        if self.loop_silent_seconds > self._stalled_seconds:
            reasons.append(f"the worker's loop has not turned for {self.loop_silent_seconds:.0f} s")
        for number, (_, at) in sorted(self._progress.items()):
            still = self._looked - at
            if still > self._stalled_seconds:
                reasons.append(
                    f"partition {number} has {self.lag(number)} offsets unread and has committed "
                    f"nothing for {still:.0f} s"
                )
        return reasons

    def unready(self) -> list[str]:
        """Why not every partition that is this worker's is being folded."""
        if self.engine is None:
            return ["waiting for Kafka and its topics"]
        metrics = self.engine.metrics
        if not metrics.ready:
            if not metrics.rebalances:
                return ["waiting for the group's first assignment"]
            return ["recovering the assigned partitions"]
        if not metrics.partitions:
            return ["no partition is assigned to this worker"]
        return [
            f"partition {number} is halted: {why}"[:_REASON_CHARS_MAX]
            for number, why in sorted(metrics.halted.items())
        ]

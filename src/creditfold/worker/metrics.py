"""The catalogue of a worker's metrics, and the collector that gives exactly these.

Each has a sentence on what an operator should conclude. No label names a customer. Numbers of a
partition begin anew with each assignment, which Prometheus takes for a restart of the counter.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from creditfold.engine.metrics import Metrics, PartitionMetrics
from creditfold.partition.fold import CODE
from creditfold.worker.delays import BOUNDS_SECONDS
from creditfold.worker.vitals import Vitals


class Kind(StrEnum):
    """What Prometheus does with it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Described(NamedTuple):
    """A metric: its full name, unit suffix included, and what to conclude from it."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    conclude: str


_PARTITION = ("partition",)
_OWN = "creditfold_partition_"

CATALOGUE = (
    Described(
        "creditfold_info", Kind.GAUGE, ("behaviour", "tz"),
        "Always 1: by which rules and time zones this worker folds; workers that differ for long "
        "are a deployment that has stopped half-way.",
    ),
    Described(
        "creditfold_ready", Kind.GAUGE, (),
        "1 while every assigned partition is folded; 0 for longer than recovery takes means that "
        "customers of these partitions wait.",
    ),
    Described(
        "creditfold_loop_silent_seconds", Kind.GAUGE, (),
        "Since when the worker's loop has not turned; above a few seconds the host is overloaded "
        "or the process hangs.",
    ),
    Described(
        "creditfold_rebalances_total", Kind.COUNTER, (),
        "Assignments taken; rising without a deployment means workers leave the group: look for "
        "pauses longer than session_seconds.",
    ),
    Described(
        "creditfold_standby_records_total", Kind.COUNTER, (),
        "Changelog records read into warm copies; flat while others commit means that a failover "
        "will be slow.",
    ),
    Described(
        "creditfold_group_commit_failures_total", Kind.COUNTER, (),
        "Group offsets that could not be reported; they serve monitoring only, nothing is lost.",
    ),
    Described(
        "creditfold_outcomes_total", Kind.COUNTER, ("status", "code"),
        "What became of inputs; a rise of one code of `rejected` is a producer's or a catalog's "
        "mistake: mend it, then `creditfold rejections retry --code`.",
    ),
    Described(
        "creditfold_dead_letters_total", Kind.COUNTER, ("code",),
        "Records that could not be read; look at them with `creditfold dead-letters list`, since "
        "beyond a limit the partition halts.",
    ),
    Described(
        "creditfold_event_delay_seconds", Kind.HISTOGRAM, (),
        "Record time minus event time, of one record in 64 in binary mode; a growing tail nears "
        "late.window, where usage is refused.",
    ),
    Described(
        f"{_OWN}lag_offsets", Kind.GAUGE, _PARTITION,
        "Offsets that are not folded yet; rising for minutes means that workers do not keep up: "
        "add workers, up to the number of partitions.",
    ),
    Described(
        f"{_OWN}log_time_lag_seconds", Kind.GAUGE, _PARTITION,
        "How far the log's time is behind the clock while something is unread, else 0; absent "
        "until the first batch. So old are the balances that customers see.",
    ),
    Described(
        f"{_OWN}halted", Kind.GAUGE, _PARTITION,
        "1 where a partition stands still on a record that no worker can fold: page somebody, "
        "/readyz names the record.",
    ),
    Described(
        f"{_OWN}batches_total", Kind.COUNTER, _PARTITION,
        "Transactions committed; flat while there is lag means that nothing gets on.",
    ),
    Described(
        f"{_OWN}clock_batches_total", Kind.COUNTER, _PARTITION,
        "Batches that the clock alone made; they show that silent customers' items fall due.",
    ),
    Described(
        f"{_OWN}records_total", Kind.COUNTER, _PARTITION,
        "Inputs folded; divided by batches it is the batch size, whose rise is back-pressure.",
    ),
    Described(
        f"{_OWN}outputs_total", Kind.COUNTER, _PARTITION,
        "Records sent to ledger, revenue, notices and dead letters, headers included.",
    ),
    Described(
        f"{_OWN}batch_records", Kind.GAUGE, _PARTITION,
        "Inputs of the last batch; at the cap of 4,000 the partition works off a backlog.",
    ),
    Described(
        f"{_OWN}fold_seconds_total", Kind.COUNTER, _PARTITION,
        "Time spent folding; near one second a second over all partitions, the core is the limit.",
    ),
    Described(
        f"{_OWN}commit_seconds_total", Kind.COUNTER, _PARTITION,
        "Time spent in transactions; divided by batches it is what Kafka adds to each answer.",
    ),
    Described(
        f"{_OWN}last_commit_seconds", Kind.GAUGE, _PARTITION,
        "The last transaction's time; far above the mean, a broker is slow or replicas lag.",
    ),
    Described(
        f"{_OWN}recovery_seconds", Kind.GAUGE, _PARTITION,
        "What the last recovery took; minutes mean that standbys or a kept state_dir are missing.",
    ),
    Described(
        f"{_OWN}recovered_records", Kind.GAUGE, _PARTITION,
        "Changelog records read in it; 0 to a few is a warm start.",
    ),
)  # fmt: skip
"""Every metric of /metrics, and nothing else."""

_BY_NAME = {metric.name: metric for metric in CATALOGUE}
_Labels: TypeAlias = tuple[str, ...]


class WorkerCollector(Collector):
    """Reads the engine's numbers and the tally of outcomes when it is asked."""

    def __init__(self, vitals: Vitals, wall: Callable[[], float] = time.time) -> None:
        self._vitals = vitals
        self._wall = wall

    def collect(self) -> Iterator[Metric]:
        """The families of the catalogue, in its order."""
        found = dict(self._all())
        for name, described in _BY_NAME.items():
            if described.kind is not Kind.HISTOGRAM:
                yield _family(described, found.get(name, ()))
                continue
            delays = self._vitals.folding.tally.delays
            counts = [str(count) for count in accumulate(delays.counts)]
            bounds = [*map(str, BOUNDS_SECONDS), "+Inf"]
            buckets = [(bound, float(n)) for bound, n in zip(bounds, counts, strict=True)]
            family = HistogramMetricFamily(name, described.conclude)
            family.add_metric([], buckets, delays.sum_seconds)
            yield family

    def _all(self) -> Iterator[tuple[str, Iterable[tuple[_Labels, float]]]]:
        vitals, tally = self._vitals, self._vitals.folding.tally
        engine = Metrics() if vitals.engine is None else vitals.engine.metrics
        yield "creditfold_info", [((str(CODE.behaviour), CODE.tz), 1)]
        yield "creditfold_ready", [((), engine.ready)]
        yield "creditfold_loop_silent_seconds", [((), vitals.loop_silent_seconds)]
        yield "creditfold_rebalances_total", [((), engine.rebalances)]
        yield "creditfold_standby_records_total", [((), engine.standby_records)]
        yield "creditfold_group_commit_failures_total", [((), engine.group_commit_failures)]
        yield "creditfold_outcomes_total", list(tally.outcomes.copy().items())
        letters = tally.letters.copy().items()
        yield "creditfold_dead_letters_total", [((code,), count) for code, count in letters]
        owned = {str(number): each for number, each in sorted(dict(engine.partitions).items())}
        for name, value in self._OF_PARTITION.items():
            yield _OWN + name, [((p,), value(each)) for p, each in owned.items()]
        yield (
            f"{_OWN}lag_offsets",
            [((number,), vitals.lag(int(number))) for number in owned],
        )
        yield (
            f"{_OWN}log_time_lag_seconds",
            [((p,), self._behind(int(p), each)) for p, each in owned.items() if each.log_time],
        )

    def _behind(self, number: int, metrics: PartitionMetrics) -> float:
        if not self._vitals.lag(number):
            return 0.0
        return max(0.0, self._wall() - metrics.log_time / 1_000_000)

    _OF_PARTITION: dict[str, Callable[[PartitionMetrics], float]] = {  # noqa: RUF012  # constant
        "halted": lambda each: each.halted is not None,
        "batches_total": lambda each: each.batches,
        "clock_batches_total": lambda each: each.clock_batches,
        "records_total": lambda each: each.records,
        "outputs_total": lambda each: each.outputs,
        "batch_records": lambda each: each.last_batch_records,
        "fold_seconds_total": lambda each: each.fold_seconds,
        "commit_seconds_total": lambda each: each.commit_seconds,
        "last_commit_seconds": lambda each: each.last_commit_seconds,
        "recovery_seconds": lambda each: each.recovery_seconds,
        "recovered_records": lambda each: each.recovered_records,
    }


def _family(
    described: Described, samples: Iterable[tuple[_Labels, float]]
) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if described.kind is Kind.COUNTER else GaugeMetricFamily
    family = kind(described.name, described.conclude, labels=described.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family

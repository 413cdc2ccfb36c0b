"""What an operator can ask an engine, as plain numbers; whoever serves them adds names and HTTP."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class PartitionMetrics:
    """One owned partition."""

    batches: int = 0
    records: int = 0
    outputs: int = 0
    clock_batches: int = 0
    last_batch_records: int = 0
    fold_seconds: float = 0.0  # sums; divided by batches they are means
    commit_seconds: float = 0.0
    last_commit_seconds: float = 0.0
    recovery_seconds: float = 0.0
    recovered_records: int = 0
    log_time: int = 0  # microseconds
    halted: str | None = None  # why, with the record named


@dataclass(slots=True)
class Metrics:
    """One worker."""

    partitions: dict[int, PartitionMetrics] = field(default_factory=dict)
    standby_records: int = 0
    rebalances: int = 0
    ready: bool = False  # every owned partition has recovered
    group_commit_failures: int = 0

    def partition(self, number: int) -> PartitionMetrics:
        """Return the numbers of one partition."""
        return self.partitions.setdefault(number, PartitionMetrics())

    @property
    def halted(self) -> dict[int, str]:
        """Return the partitions that stand still, and why."""
        return {p: m.halted for p, m in self.partitions.items() if m.halted is not None}

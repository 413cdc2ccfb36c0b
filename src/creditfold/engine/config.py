"""What an engine is told: names, places and limits."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limits:
    """Where a batch ends and how much may wait; none of it changes what is folded."""

    batch_records: int = 4_000
    batch_bytes: int = 4_000_000
    fold_seconds: float = 0.05
    linger_seconds: float = 0.005
    linger_records: int = 1_000  # with so many waiting, a batch is worth its header at once
    lane_records: int = 8_000
    lane_bytes: int = 16_000_000
    record_batch_bytes: int = 512_000  # below the broker's default message.max.bytes of 1 MiB


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One application: the same on all of its workers but for `state`."""

    application: str
    brokers: str
    inputs: tuple[str, ...]  # in rank order: on equal times the earlier named is folded first
    changelog: str
    state: Path
    partitions: int
    replication: int = 1
    standbys: int = 1
    session_seconds: float = 15.0
    transaction_seconds: float = 20.0
    fetch_wait_seconds: float = 0.05
    group_commit_seconds: float = 5.0
    fence_backoff_seconds: float = 3.0
    clock_skew_seconds: float = 5.0
    block_cache_bytes: int = 64_000_000
    limits: Limits = field(default_factory=Limits)

    def transactional_id(self, partition: int) -> str:
        """Return the id that fences the partition: one owner at a time, whatever the group says."""
        return f"{self.application}-{partition}"

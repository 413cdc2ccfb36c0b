"""What an engine is told: names, places and limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")


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
class Security:
    """How every connection proves itself; without arguments, to a cluster open to everybody."""

    protocol: str = "PLAINTEXT"
    mechanism: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None  # None: the authorities that the system trusts
    certificate_file: Path | None = None  # the worker's own, where brokers ask for one
    key_file: Path | None = None
    key_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.protocol not in PROTOCOLS:
            raise ValueError(f"protocol {self.protocol} is none of {', '.join(PROTOCOLS)}")
        if not self.sasl:
            return
        if self.mechanism not in MECHANISMS:
            raise ValueError(f"mechanism {self.mechanism} is none of {', '.join(MECHANISMS)}")
        if not (self.username and self.password):
            raise ValueError(f"{self.protocol} needs a user name and a password")

    @property
    def sasl(self) -> bool:
        """Tell whether the brokers ask for a login."""
        return self.protocol.startswith("SASL")

    @property
    def tls(self) -> bool:
        """Tell whether connections are encrypted."""
        return self.protocol.endswith("SSL")


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """One application: the same on all of its workers but for `state`."""

    application: str
    brokers: str
    inputs: tuple[str, ...]  # in rank order: on equal times the earlier named is folded first
    changelog: str
    state: Path
    partitions: int
    replication: int = 1  # of a changelog that is created here, as are its settings
    changelog_settings: Mapping[str, str] = field(default_factory=dict)
    standbys: int = 1
    session_seconds: float = 15.0
    transaction_seconds: float = 20.0
    fetch_wait_seconds: float = 0.05
    group_commit_seconds: float = 5.0
    fence_backoff_seconds: float = 3.0
    clock_skew_seconds: float = 5.0
    block_cache_bytes: int = 64_000_000
    security: Security = field(default_factory=Security)
    limits: Limits = field(default_factory=Limits)

    def transactional_id(self, partition: int) -> str:
        """Return the id that fences the partition: one owner at a time, whatever the group says."""
        return f"{self.application}-{partition}"

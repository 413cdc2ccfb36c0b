"""Recovery of real customers: from the changelog alone, and with the state of a stopped worker."""

import time
from typing import NamedTuple

from creditfold.broker.plan import changelog
from stand import Stand, bytes_below

APPLICATION = "recovered"


class Recovered(NamedTuple):
    """Seconds from the start of the process until it was ready, and in the changelog of them."""

    seconds: float
    reading: float
    records: int
    changelog_mb: float
    state_mb: float


def recover(on: Stand, state: str) -> Recovered:
    """Start a worker on a state directory, stop it once every partition is ready."""
    began = time.monotonic()
    worker = on.worker(APPLICATION, state)
    worker.wait_ready(on.partitions)
    seconds = time.monotonic() - began
    reading = max(worker.metric("creditfold_partition_recovery_seconds"))
    records = round(sum(worker.metric("creditfold_partition_recovered_records")))
    worker.stop()
    return Recovered(
        seconds,
        reading,
        records,
        on.log_bytes(changelog(APPLICATION)) / 1e6,
        bytes_below(on.state(state)) / 1e6,
    )

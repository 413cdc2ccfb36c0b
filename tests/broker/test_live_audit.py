"""An audit of a log that a worker writes to finds nothing, because there is nothing to find."""
# ruff: noqa: F811  # fixtures are imported, and asked for by the same names

import threading
import time

import pytest
from worker_rig import PARTITIONS, SECOND, names, now, rig  # noqa: F401  # fixtures

from creditfold.audit import chain, replay
from creditfold.broker.kafka_log import LiveLog

pytestmark = pytest.mark.broker
SECONDS, CUSTOMERS = 8, 8


def load(rig, stop):
    """Usage in small pieces, so that many transactions are committed."""
    customers = [name for p in range(PARTITIONS) for name in names(p, CUSTOMERS // PARTITIONS)]
    number = 0
    while not stop.is_set():
        at = time.time_ns() // 1_000
        rig.send([rig.usage(name, number, at) for name in customers])
        number += 1
        time.sleep(0.02)


def test_a_log_is_audited_while_it_grows(rig, now):
    worker = rig.worker().start().wait_ready()
    rig.send(rig.catalog(now - SECOND))
    for partition in range(PARTITIONS):
        for name in names(partition, CUSTOMERS // PARTITIONS):
            rig.send(rig.customer(name, now, usages=0))
    stop = threading.Event()
    sender = threading.Thread(target=load, args=(rig, stop))
    sender.start()
    try:
        batches, deadline = [], time.monotonic() + SECONDS
        while time.monotonic() < deadline or len(batches) < 2 * PARTITIONS:
            log = LiveLog(rig.bootstrap, len(batches) % PARTITIONS)
            report = replay.verify(log)
            assert report.differences == 0, report.first
            assert [] == chain.check(log).findings
            batches.append(report.batches)
    finally:
        stop.set()
        sender.join()
    assert batches[0] < batches[-PARTITIONS], "the log did not grow"
    assert worker.terminate() == 0

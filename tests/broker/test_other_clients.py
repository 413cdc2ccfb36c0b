"""What other clients write is read as our own publisher's: keys, headers, codecs, sizes, places."""
# ruff: noqa: F811  (fixtures are imported, and asked for by the same names)

import hashlib
import json
import os
import random
import shutil
import subprocess
from base64 import b64decode, b64encode
from pathlib import Path

import pytest
from worker_rig import PARTITIONS, SECOND, names, now, rig, until  # noqa: F401  # fixtures

from creditfold.audit import replay
from creditfold.broker.connection import CODECS
from creditfold.broker.jars import BrokerUnavailable, jars
from creditfold.broker.kafka_log import KafkaLog
from creditfold.contract.envelope import (
    EVENT_BYTES_MAX,
    STRUCTURED,
    write_binary,
    write_structured,
)
from creditfold.contract.partitions import partition_of
from creditfold.contract.topics import DEAD_LETTERS, USAGE
from creditfold.worker import letters

pytestmark = pytest.mark.broker

CUSTOMERS = [name for partition in range(PARTITIONS) for name in names(partition, 2)]
COMPRESSING = [codec for codec in CODECS if codec != "none"]


def tool(name):
    """Where the program is; without it this is skipped here and fails in CI."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not installed: nothing was tested of records that it writes"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


class Kcat:
    """kcat with one codec; librdkafka's partitioner is the one that every user of it has to set."""

    def __init__(self, rig, codec, partitioner="murmur2_random"):
        self._command = [tool("kcat"), "-P", "-b", rig.bootstrap, "-z", codec]
        if partitioner is not None:
            self._command += ["-X", f"topic.partitioner={partitioner}"]
        self._file = rig.directory / "value"

    def send(self, records):
        for topic, key, value, headers in records:
            self._file.write_bytes(value)
            named = [word for name, raw in headers for word in ("-H", f"{name}={raw.decode()}")]
            words = ["-t", topic, "-k", key.decode(), *named, str(self._file)]
            subprocess.run([*self._command, *words], check=True, capture_output=True, timeout=60)


class Java:
    """Kafka's Java producer with one codec, and its defaults for all else."""

    def __init__(self, rig, codec):
        try:
            libs = jars()
        except BrokerUnavailable:
            libs = Path(tool("mvn"))  # which is why there are none
        source = Path(__file__).parent / "clients" / "Producer.java"
        quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
        self._command = [tool("java"), quiet, "-cp", f"{libs}/*", str(source), rig.bootstrap, codec]

    def send(self, records):
        lines = []
        for topic, key, value, headers in records:
            named = [f"{name}={raw.decode()}" for name, raw in headers]
            lines.append("\t".join([topic, key.decode(), b64encode(value).decode(), *named]))
        text = "\n".join(lines).encode()
        done = subprocess.run(
            self._command, input=text, capture_output=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr.decode()


def written(fact, *, structured=False):
    """The record of a usage fact in one of the two modes of CloudEvents."""
    key, value, headers = write_binary(fact)
    if structured:
        value, headers = write_structured(fact), (("content-type", STRUCTURED.encode()),)
    return USAGE.name, key, value, headers


@pytest.mark.parametrize("client", [Kcat, pytest.param(Java, marks=pytest.mark.campaign)])
def test_what_the_client_writes_is_folded_in_both_modes_and_with_every_codec(rig, now, client):
    facts = rig.catalog(now - 90 * SECOND)
    for name in CUSTOMERS:
        facts += rig.customer(name, now - 80 * SECOND, usages=1)
    rig.send(facts)
    worker = rig.worker().start()
    sent = 0
    for number, codec in enumerate(COMPRESSING):
        at = now - (20 - number) * SECOND
        records = [
            written(rig.usage(name, 3, at), structured=(n + number) % 2 == 1)
            for n, name in enumerate(CUSTOMERS)
        ]
        client(rig, codec).send(records)
        sent += len(records)
    rig.wait_for_outcomes(3 * PARTITIONS + 6 * len(CUSTOMERS) + sent)
    assert {"applied"} == {outcome["status"] for outcome in rig.ledger()}
    drawn = {name: rig.drawn(worker, name) for name in CUSTOMERS}
    assert dict.fromkeys(CUSTOMERS, 7 + 3 * len(COMPRESSING)) == drawn
    for partition in range(PARTITIONS):  # theirs and our publisher's lie together
        for record in KafkaLog(rig.bootstrap, partition).read(USAGE.name):
            assert partition == partition_of(record.key, PARTITIONS)
        assert 0 == replay.verify(KafkaLog(rig.bootstrap, partition)).differences


def test_kcat_by_its_own_partitioner_is_told_so_and_mended_by_a_retry(rig, now):
    rig.send(rig.catalog(now - 90 * SECOND))
    for name in CUSTOMERS:
        rig.send(rig.customer(name, now - 80 * SECOND, usages=0))
    worker = rig.worker().start()
    Kcat(rig, "none", partitioner=None).send(
        [written(rig.usage(name, 3, now - SECOND)) for name in CUSTOMERS]
    )
    rig.wait_for_outcomes(3 * PARTITIONS + 6 * len(CUSTOMERS))
    astray = list(letters.letters(rig.bootstrap))
    assert {"wrong_partition"} == {letter.code for letter in astray}
    assert len(astray) == letters.retry_letters(rig.bootstrap).counts["sent"]
    rig.wait_for_outcomes(3 * PARTITIONS + 6 * len(CUSTOMERS) + len(astray))
    assert dict.fromkeys(CUSTOMERS, 3) == {name: rig.drawn(worker, name) for name in CUSTOMERS}


# Sizes


def noise(size):
    """Bytes that no codec makes smaller."""
    return random.Random(1).randbytes(size)


def largest(rig, key, make):
    """Put the largest record that the broker takes on the usage topic; how large `make`'s part was.

    The client's own limit is set out of the way: the broker says no.
    """
    producer = rig.connection.producer(message_max_bytes=10_000_000)
    refused = []

    def note(error, message):
        refused.append(error)

    for size in range(1_179_648 - 60, 1_179_648 - 400, -1):
        value, headers = make(size)
        producer.produce(USAGE.name, value, key, headers=headers, on_delivery=note)
        assert producer.flush(30) == 0
        if refused.pop() is None:
            return size
        assert size > 1_179_648 - 399
    raise AssertionError("nothing was taken")


def test_events_of_the_greatest_size_are_folded_with_every_codec(rig, now):
    (name,) = names(1, 1)
    rig.send(rig.catalog(now - 60 * SECOND) + rig.customer(name, now - 50 * SECOND, usages=0))
    for number, codec in enumerate(CODECS):
        producer = rig.connection.producer(
            message_max_bytes=2_000_000, compression_type=codec, linger_ms=0
        )
        _, value, headers = write_binary(rig.usage(name, 5, now - (9 - number) * SECOND))
        padded = value + b" " * (EVENT_BYTES_MAX - len(value))
        producer.produce(USAGE.name, padded, name.encode(), headers=list(headers))
        assert producer.flush(30) == 0
    worker = rig.worker().start()
    rig.wait_for_outcomes(3 * PARTITIONS + 5 + len(CODECS))
    assert {"applied"} == {outcome["status"] for outcome in rig.ledger()}
    assert 5 * len(CODECS) == rig.drawn(worker, name)


def test_the_largest_record_that_the_broker_takes_fits_the_dead_letters(rig, now):
    """Too large in its value, its headers, its key, or only once it is decompressed."""
    (name,) = names(1, 1)
    key = name.encode()
    value_size = largest(rig, key, lambda size: (noise(size), []))
    largest(rig, key, lambda size: (b"{}", [("h", noise(size))]))
    producer = rig.connection.producer(message_max_bytes=30_000_000, compression_type="gzip")
    producer.produce(USAGE.name, b"0" * 20_000_000, key, partition=1)
    producer.produce(USAGE.name, b"{}", noise(900_000), partition=1)
    assert producer.flush(60) == 0
    worker = rig.worker().start().wait_ready()
    rig.wait_for_outcomes(4)
    codes = [letter.code for letter in letters.letters(rig.bootstrap)]
    assert ["too_large", "not_cloudevents", "too_large", "not_cloudevents"] == codes
    stored = list(KafkaLog(rig.bootstrap, 1).read(DEAD_LETTERS.name))
    whole, headed, packed, keyed = (json.loads(record.value) for record in stored)
    assert noise(1024) == b64decode(whole["value"]["head"])
    assert hashlib.sha256(noise(value_size)).hexdigest() == whole["value"]["sha256"]
    assert (value_size, 0) == (whole["value"]["size"], whole["offset"])
    assert 1 == headed["headers_left_out"]
    assert 20_000_000 == packed["value"]["size"]
    assert 900_000 == keyed["key"]["size"]
    assert [key, key, key, None] == [record.key for record in stored]
    assert 0 == replay.verify(KafkaLog(rig.bootstrap, 1)).differences
    rig.send(rig.catalog(now) + rig.customer(name, now, usages=0))
    until(lambda: worker.balance(name).status_code == 200, worker.tail)

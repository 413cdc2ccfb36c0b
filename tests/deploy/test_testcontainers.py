"""The broker that the provider starts in Docker has transactions, and is gone afterwards."""

import subprocess

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from creditfold.broker.provide import broker

pytestmark = pytest.mark.docker


def _containers():
    listed = [
        "docker",
        "ps",
        "--all",
        "--quiet",
        "--filter",
        "ancestor=confluentinc/cp-kafka:8.1.0",
    ]
    return set(subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split())


def _transaction(producer, value, *, commit):
    producer.begin_transaction()
    producer.produce("t", value, "k")
    producer.flush(10)
    (producer.commit_transaction if commit else producer.abort_transaction)(30)


@pytest.mark.usefixtures("docker")
def test_only_what_was_committed_is_read_and_the_container_goes(tmp_path):
    before = _containers()
    with broker(tmp_path, only="docker") as found:
        assert "Docker" in found.source
        assert _containers() > before
        admin = AdminClient({"bootstrap.servers": found.bootstrap})
        admin.create_topics([NewTopic("t", 1, 1)])["t"].result(30)
        producer = Producer({"bootstrap.servers": found.bootstrap, "transactional.id": "t"})
        producer.init_transactions(30)
        _transaction(producer, b"aborted", commit=False)
        _transaction(producer, b"committed", commit=True)

        reader = Consumer(
            {
                "bootstrap.servers": found.bootstrap,
                "group.id": "g",
                "auto.offset.reset": "earliest",
                "isolation.level": "read_committed",
                "enable.partition.eof": True,
            }
        )
        reader.subscribe(["t"])
        values = []
        while (message := reader.poll(30)) is not None and message.error() is None:
            values.append(message.value())
        reader.close()
    assert values == [b"committed"]
    assert _containers() == before

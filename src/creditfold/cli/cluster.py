"""The settings of one run on Kafka, and how to reach the cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from creditfold.cli.errors import CommandError
from creditfold.cli.opening import Run


class Cluster(Run):
    """How a command was called: for people or programs, and on which cluster.

    The settings are the workers' own, so that a command finds the topics that a worker uses.
    """

    def __init__(self, kafka: str | None, output: str | None, **flags: object) -> None:
        from creditfold.worker.settings import load  # noqa: PLC0415  # start-up

        super().__init__(None, output)
        self.settings = load(kafka=kafka, **flags)
        self.at = self.settings.kafka
        self.kafka = self.settings.connection()

    @property
    def partitions(self) -> int | None:
        """How many partitions were asked for; None where nobody said."""
        told = "partitions" in self.settings.model_fields_set
        return self.settings.partitions if told else None

    def command(self, text: str) -> str:
        """`creditfold <text>` on the same cluster, to be copied."""
        return f"creditfold {text} --kafka {self.at}"


def only_kafka(data_dir: Path | None) -> None:
    """Refuse a directory beside a cluster."""
    if data_dir is not None:
        raise CommandError("--kafka and --data-dir exclude each other: name one of them")


def one_by_one(count: int) -> Iterator[int]:
    """The numbers of so many partitions; a terminal is told which one is at work."""
    for partition in range(count):
        if sys.stderr.isatty():
            sys.stderr.write(f"\rpartition {partition} of {count} …\x1b[K")
            sys.stderr.flush()
        yield partition
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")

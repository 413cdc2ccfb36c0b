"""Kafka nodes from the jars, one or three, each of which can be stopped and started again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from confluent_kafka.admin import AdminClient

from creditfold.broker.jars import JarBroker, free_port


class Node(JarBroker):
    """A node of a cluster: its replicated topics have as many copies as there are nodes."""

    def __init__(self, data: Path, number: int, controllers: list[int]) -> None:
        super().__init__(data)
        self._number = number
        self._controllers = controllers
        self._controller = controllers[number - 1]

    def _properties(self) -> str:
        copies = len(self._controllers)
        in_sync = max(copies - 1, 1)
        voters = ",".join(f"{n}@127.0.0.1:{port}" for n, port in enumerate(self._controllers, 1))
        other = {
            "node.id": self._number,
            "controller.quorum.voters": voters,
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": in_sync,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": in_sync,
        }
        kept = [
            line
            for line in super()._properties().splitlines()
            if line.partition("=")[0] not in other
        ]
        return "\n".join([*kept, *(f"{name}={value}" for name, value in other.items()), ""])


class Cluster:
    """Nodes that know each other."""

    def __init__(self, data: Path, count: int) -> None:
        controllers = [free_port() for _ in range(count)]
        self.nodes = [Node(data / f"node{n}", n, controllers) for n in range(1, count + 1)]

    @property
    def bootstrap(self) -> str:
        """The addresses of all nodes."""
        return ",".join(node.bootstrap for node in self.nodes)

    def start(self) -> Cluster:
        """Start all nodes at once: none answers before most of them are there."""
        with ThreadPoolExecutor() as pool:
            list(pool.map(JarBroker.start, self.nodes))
        return self

    def stop(self) -> None:
        """Kill all nodes: what they hold is not needed any more."""
        for node in self.nodes:
            node.kill()

    def in_sync(self) -> bool:
        """Whether every partition has all its copies in sync."""
        topics = AdminClient({"bootstrap.servers": self.bootstrap}).list_topics(timeout=10).topics
        partitions = [p for topic in topics.values() for p in topic.partitions.values()]
        return all(set(p.isrs) == set(p.replicas) and p.leader > 0 for p in partitions)

"""Publishing to Kafka: each line is checked here; a worker folds and answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

from creditfold.broker.catalog import CatalogPublisher
from creditfold.broker.publisher import Publisher
from creditfold.cli import screen
from creditfold.cli.cluster import Cluster
from creditfold.cli.lines import lines
from creditfold.cli.publishing import Counts, Problem, check
from creditfold.contract.envelope import EVENT_BYTES_MAX, Envelope
from creditfold.contract.topics import CATALOG_TYPES

SHOWN_EVERY = 1_000
CATALOG_MAX = 500


class Sent(Counts):
    """What became of the lines: facts that are on the log, and those that are bad."""

    def __init__(self) -> None:
        super().__init__()
        self.customer_facts = 0
        self.catalog_facts = 0


class KafkaPublishing:
    """Sends the good lines of a stream in their order.

    Catalog facts go to every partition: they wait until what stood before them is on the log,
    and those that follow each other are one transaction.
    """

    def __init__(
        self, run: Cluster, report: Callable[[Problem], None], rejects: BinaryIO | None
    ) -> None:
        self.counts = Sent()
        self._run = run
        self._report = report
        self._rejects = rejects
        self._publisher = Publisher(run.kafka)
        self._writer: CatalogPublisher | None = None
        self._catalog: list[Envelope] = []

    def publish(self, stream: BinaryIO, progress: Callable[[Counts], None]) -> None:
        """Publish all lines; it returns when all are on the log."""
        for line in lines(stream, EVENT_BYTES_MAX, self._keep):
            self.counts.lines += 1
            found = check(line)
            if isinstance(found, Problem):
                self._refuse(found, line.text if line.whole else b"")
            elif found.type in CATALOG_TYPES:
                self._catalog.append(found)
                if len(self._catalog) >= CATALOG_MAX:
                    self._send_catalog()
            else:
                self._send_catalog()
                self._publisher.publish(found)
            if self.counts.lines % SHOWN_EVERY == 0:
                self._count()
                progress(self.counts)
        self._send_catalog()
        self._flush()

    def _send_catalog(self) -> None:
        if not self._catalog:
            return
        self._flush()
        if self._writer is None:
            self._writer = CatalogPublisher(self._run.kafka)
        self._writer.publish(*self._catalog)
        self.counts.catalog_facts += len(self._catalog)
        self._catalog = []

    def _flush(self) -> None:
        try:
            self._publisher.flush()
        finally:
            self._count()

    def _count(self) -> None:
        self.counts.customer_facts = self._publisher.delivered

    def _keep(self, piece: bytes) -> None:
        if self._rejects is not None:
            self._rejects.write(piece)

    def _refuse(self, problem: Problem, text: bytes) -> None:
        self.counts.bad += 1
        self.counts.codes[problem.code] += 1
        self._keep(text + b"\n")
        self._report(problem)


def tell(counts: Sent, run: Cluster, *, complete: bool) -> None:
    """The counts, for people or programs."""
    if run.json:
        screen.emit(
            {
                "complete": complete,
                "lines": counts.lines,
                "bad": counts.bad,
                "customer_facts": counts.customer_facts,
                "catalog_facts": counts.catalog_facts,
                "codes": dict(sorted(counts.codes.items())),
            }
        )
        return
    out = screen.console()
    title = f"{counts.lines:,} lines" if complete else f"Stopped after {counts.lines:,} lines"
    screen.heading(out, title, f"to {run.at}")
    rows = [
        ("customer facts", counts.customer_facts, "on the log, for a worker to fold"),
        ("catalog facts", counts.catalog_facts, "on every partition"),
        ("bad", counts.bad, "broke the contract; not sent"),
    ]
    out.print(screen.counted("lines", rows))
    screen.next_steps(
        out,
        (run.command("trace EVENT_ID"), "what became of one line"),
        (run.command("customer show CUSTOMER"), "what a customer has, as a worker tells it"),
        (run.command("rejections retry --dry-run"), "what the fold refused"),
    )

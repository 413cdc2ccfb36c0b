"""Writes the golden log anew: `python tests/golden/regenerate.py` after a deliberate change.

A change of what the fold gives out raises `BEHAVIOUR`, which starts another directory; the one of
a published behaviour is never written again. `--inputs` writes the inputs from `facts.py` too.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

HERE = Path(__file__).parent
if __name__ == "__main__":
    sys.path.insert(0, str(HERE.parent))

from creditfold.contract.encode import snapshot_line, structured  # noqa: E402  # after the path
from creditfold.contract.envelope import read_line  # noqa: E402  # the same
from creditfold.contract.exact_json import dump  # noqa: E402  # the same
from creditfold.contract.outputs import Version  # noqa: E402  # the same
from creditfold.contract.partitions import ONLY  # noqa: E402  # the same
from creditfold.core.fold import BEHAVIOUR  # noqa: E402  # the same
from creditfold.log.records import Output, Record  # noqa: E402  # the same
from creditfold.partition.position import Position  # noqa: E402  # the same
from creditfold.partition.snapshot import snapshot  # noqa: E402  # the same
from creditfold.partition.step import Partition  # noqa: E402  # the same
from creditfold.partition.store import MemoryStore  # noqa: E402  # the same
from local.desk import Input, to_input  # noqa: E402  # the same
from partition.batches import NO_LIMIT  # noqa: E402  # the same

DIRECTORY = HERE / f"behaviour-{BEHAVIOUR}"
INPUTS = DIRECTORY / "inputs.jsonl"
UNTIL = 1_775_088_000_000_000
"""2026-04-02T00:00:00Z."""

CODE = Version(behaviour=BEHAVIOUR, tz="any")
"""Stands in the headers for the tz database of whoever runs this: the golden log must not change
with it, and the dates of its programs are UTC."""


def golden(inputs: list[bytes]) -> dict[str, list[bytes]]:
    """The lines of each file that these inputs give, each fact a batch of its own."""
    store = MemoryStore()
    partition = Partition(store, ONLY, Position())
    names = ("ledger", "revenue", "notices", "transfers")
    files: dict[str, list[bytes]] = {name: [] for name in names}
    ends: Counter[str] = Counter()

    def keep(outputs: tuple[Output, ...]) -> None:
        for output in outputs:
            files[output.topic.split(".")[1]].append(structured(output))
        for output in outputs:
            if output.timestamp is not None:  # it is an input again
                topic, key, value, headers, timestamp = output
                fold(Input(topic, timestamp, key, value, headers))

    def fold(each: Input) -> None:
        now = max(partition.position.now, each.timestamp)
        record = Record(each.topic, 0, ends[each.topic], *each[1:])
        ends[each.topic] += 1
        keep(partition.refold([(record, now)], now, NO_LIMIT, CODE).outputs)

    for line in inputs:
        fold(to_input(_event(line)))
    keep(partition.refold([], UNTIL, NO_LIMIT, CODE).outputs)
    files["balances"] = []
    for customer in store.accounts():
        balance = snapshot(store, partition.catalog, customer, UNTIL)
        assert balance is not None
        files["balances"].append(snapshot_line(customer, balance))
    return files


def _event(line: bytes) -> dict[str, object]:
    import json

    read_line(line)
    event: dict[str, object] = json.loads(line)
    return event


def main() -> None:
    """Write the directory of this behaviour."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", action="store_true")
    DIRECTORY.mkdir(exist_ok=True)
    if parser.parse_args().inputs:
        from golden.facts import facts

        INPUTS.write_bytes(b"".join(dump(event) + b"\n" for event in facts()))
    lines = INPUTS.read_bytes().splitlines()
    for name, content in golden(lines).items():
        (DIRECTORY / f"{name}.jsonl").write_bytes(b"".join(line + b"\n" for line in content))


if __name__ == "__main__":
    main()

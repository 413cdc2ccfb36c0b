"""The fault campaign on a real Apache Kafka, with real workers and an independent judge.

    python tests/crash/kafka.py --all                    every scenario, 20,000 facts each
    python tests/crash/kafka.py --scenario kill --facts 50000 --kills 10 --seed 7
    python tests/crash/kafka.py --all --long             1,000,000 facts and more than 100 kills
    python tests/crash/kafka.py --all --mix              the same with all kinds of facts

Each scenario has brokers and topics of its own. Needs Java and Maven (or the jars in their cache).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT), str(ROOT / "broker"), str(ROOT.parent / "src")]

from crash.books import Verdict  # noqa: E402  # found by the path set above
from crash.field import Field  # noqa: E402  # the same
from crash.scenarios import SCENARIOS, Size  # noqa: E402  # the same

FACTS, FACTS_LONG = 20_000, 75_000
COLUMNS = ("facts", "kills", "outcomes", "lost", "missing", "doubled", "gaps", "unexpected",
           "differing", "differences", "seconds", "judging")  # fmt: skip


class Result(NamedTuple):
    """What became of one log."""

    name: str
    verdict: Verdict
    kills: int
    differences: int
    crashes: list[str]
    seconds: float
    judging: float

    @property
    def good(self) -> bool:
        """Whether nothing at all speaks against it."""
        return not self.verdict.faults and not self.differences


def campaign(directory: Path, plays: dict[str, Size], seed: int, *, mixed: bool = False) -> Result:
    """Play scenarios one after another on one log, then judge it."""
    began = time.monotonic()
    brokers = max(SCENARIOS[name].brokers for name in plays)
    field = Field(directory, seed, brokers=brokers, mixed=mixed)
    try:
        for name, size in plays.items():
            SCENARIOS[name].play(field, size)
        played = time.monotonic()
        judge, replay = field.judge()
    finally:
        field.close()
    differences = replay["differences"] + replay["broken_links"] + replay["waiting"]
    if differences:
        judge.verdict.examples.append(f"replay: {[p['first'] for p in replay['partitions']]}")
    ended = time.monotonic()
    return Result(
        "+".join(plays), judge.verdict, field.kills, differences, field.crashes,
        ended - began, ended - played,
    )  # fmt: skip


def row(result: Result) -> str:
    """One line of the table."""
    v = result.verdict
    counts = (
        *(v.facts, result.kills, v.outcomes, v.lost, v.missing, v.doubled, v.gaps, v.unexpected),
        *(v.differing, result.differences, round(result.seconds), round(result.judging)),
    )
    cells = (f"{n:>{len(column) + 2},}" for n, column in zip(counts, COLUMNS, strict=True))
    return f"{result.name:16}" + "".join(cells)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--scenario", choices=SCENARIOS, action="append", default=[])
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--long", action="store_true", help="1,000,000 facts in --all")
    parser.add_argument("--mix", action="store_true", help="facts of all kinds")
    parser.add_argument("--facts", type=int, help="in each scenario")
    parser.add_argument("--kills", type=int, help="or whatever else is done, in each scenario")
    parser.add_argument("--customers", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    names = list(SCENARIOS) if options.all else options.scenario
    if not names:
        parser.error("name a --scenario, or --all")
    print(f"{'scenario':16}" + "".join(f"  {column}" for column in COLUMNS), flush=True)
    results = []
    for name in names:
        scenario = SCENARIOS[name]
        facts = options.facts or (FACTS_LONG if options.long else FACTS)
        times = options.kills or (scenario.times_long if options.long else scenario.times)
        with tempfile.TemporaryDirectory(prefix="creditfold-campaign-") as directory:
            size = {name: Size(facts, times, options.customers)}
            result = campaign(Path(directory), size, options.seed, mixed=options.mix)
        results.append(result)
        print(row(result), flush=True)
        for line in (*result.verdict.examples, *result.crashes):
            print(f"    {line[:400]}", flush=True)
    good = all(result.good for result in results)
    facts, kills = (
        sum(counts) for counts in zip(*((r.verdict.facts, r.kills) for r in results), strict=True)
    )
    fate = "nothing" if good else "SOMETHING"
    print(f"{facts:,} facts, {kills} kills: {fate} is missing, doubled or different")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())

"""A campaign against the embedded runtime: a publisher is killed again and again, nothing is lost.

`python tests/crash/embedded.py --kills 200 --seed 1` runs the long form. The child appends chunk
by chunk and says so only after `append` has returned; the parent kills it at a moment that a
seed chooses, by time or by progress, and lets another one go on from the last chunk that it was
told of, which is sent again.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))

from crash.verdict import Expected, judge  # noqa: E402  # found by the path set above
from crash.workload import chunks  # noqa: E402  # the same

CHUNKS_PER_KILL = 2


@dataclass
class Tally:
    """What a campaign did."""

    kills: int = 0
    restarts: int = 0
    resent: int = 0
    unfinished: int = 0
    chunks: int = 0
    facts: int = 0
    duplicates: int = 0
    moments: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def child(directory: Path, seed: int, count: int, begin: int) -> None:
    """Publish from a chunk on; each stage is told as soon as it is reached."""
    from crash.workload import Clock
    from creditfold.local.runtime import LocalRuntime

    sent = chunks(seed, count)
    # A wall clock does not go back: the chunk after the one sent again may be on the log already.
    clock = Clock(sent[min(begin + 1, count - 1)].now)
    with LocalRuntime(directory, clock) as runtime:
        print("open", flush=True)
        for number, chunk in list(enumerate(sent))[begin:]:
            clock.now = max(clock.now, chunk.now)
            runtime.append(chunk.inputs)
            print(f"appended {number}", flush=True)
            for _ in runtime.run():
                pass
            print(f"folded {number}", flush=True)
    print("done", flush=True)


def spawn(directory: Path, seed: int, count: int, begin: int) -> subprocess.Popen[str]:
    """A child that publishes."""
    arguments = ["--child", str(directory), "--seed", str(seed), "--chunks", str(count)]
    return subprocess.Popen(
        [sys.executable, __file__, *arguments, "--begin", str(begin)],
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )


def campaign(directory: Path, kills: int, seed: int) -> Tally:
    """Kill until the number is reached and all is published; assert after each kill."""
    rng = random.Random(seed)
    tally = Tally(chunks=kills * CHUNKS_PER_KILL + 5)
    sent = chunks(seed, tally.chunks)
    expected = Expected(sent)
    begun, acknowledged = time.monotonic(), -1
    while True:
        process = spawn(directory, seed, tally.chunks, max(0, acknowledged))
        tally.restarts += 1
        tally.resent += acknowledged >= 0
        last, moment = follow(process, rng, kill=tally.kills < kills)
        for line in last:
            if line.startswith("appended "):
                acknowledged = max(acknowledged, int(line.split()[1]))
        if moment is None:
            assert "done" == last[-1], f"the publisher ended by itself: {last[-3:]}"
            break
        tally.kills += 1
        tally.moments[moment] = tally.moments.get(moment, 0) + 1
        judge(directory, sent, acknowledged)
    verdict = judge(directory, sent, tally.chunks - 1, expected)
    tally.facts, tally.duplicates = verdict.facts, verdict.duplicates
    tally.seconds = time.monotonic() - begun
    return tally


def follow(
    process: subprocess.Popen[str], rng: random.Random, *, kill: bool
) -> tuple[list[str], str | None]:
    """What the child said, and after which word it was killed; None where it was let go on."""
    assert process.stdout is not None
    lines: list[str] = []
    after = rng.randint(1, 2 * CHUNKS_PER_KILL) if kill else None
    delay = rng.choice([0, rng.random() * 0.002, rng.random() * 0.02])
    while line := process.stdout.readline():
        lines.append(line.strip())
        if after is not None and len(lines) >= after:
            time.sleep(delay)
            process.send_signal(signal.SIGKILL)
            break
    rest = process.stdout.read().splitlines()
    process.wait()
    if process.returncode != -signal.SIGKILL:
        assert 0 == process.returncode, f"the publisher failed after {lines[-3:]}"
        return [*lines, *rest], None
    # A line that the kill tore apart was not read by anyone.
    return [*lines, *(line.strip() for line in rest)], lines[-1].split()[0]


def main() -> None:
    """The long form, or the child of one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path)
    parser.add_argument("--chunks", type=int, default=0)
    parser.add_argument("--begin", type=int, default=0)
    options = parser.parse_args()
    if options.child is not None:
        child(options.child, options.seed, options.chunks, options.begin)
        return
    with tempfile.TemporaryDirectory() as directory:
        tally = campaign(Path(directory) / "data", options.kills, options.seed)
    print(
        f"seed {options.seed}: {tally.kills} kills, {tally.restarts} starts, "
        f"{tally.resent} chunks sent again, {tally.chunks} chunks, {tally.facts} facts and "
        f"{tally.duplicates} duplicates in {tally.seconds:.1f} s; killed after {tally.moments}; "
        "0 lost, 0 doubled, 0 differences"
    )


if __name__ == "__main__":
    main()

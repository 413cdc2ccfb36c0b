"""Playing the facts into a real runtime: each chunk is synced, then folded."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from creditfold.contract.envelope import read_event, write_binary
from creditfold.contract.exact_json import dump, parse
from creditfold.contract.topics import topic_of
from creditfold.demo.scenario import Event
from creditfold.local.runtime import Input, LocalRuntime

CHUNK = 2_000


def play(runtime: LocalRuntime, events: Iterable[Event], progress: Callable[[int], None]) -> int:
    """Put all facts on the log at their own record time, and fold them; how many there were."""
    facts = iter(events)
    count = 0
    while chunk := [_input(event) for event in itertools.islice(facts, CHUNK)]:
        runtime.append(chunk)
        for _ in runtime.run():
            pass
        count += len(chunk)
        progress(count)
    return count


def _input(event: Event) -> Input:
    envelope = read_event(parse(dump(event)))
    assert envelope.recordedtime is not None
    return Input(topic_of(envelope.type).name, envelope.recordedtime, *write_binary(envelope))

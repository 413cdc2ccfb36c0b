"""What the topics' settings are, against what they have to be."""

from __future__ import annotations

from typing import Final

from msgspec import Struct

from creditfold.broker.plan import Plan
from creditfold.contract.topics import DEAD_LETTERS, INPUTS

_AGE_MS_MIN: Final = 10 * 366 * 86_400_000


class Finding(Struct, frozen=True):
    """Something that is not as it has to be. What is not `grave` does not keep a worker away."""

    topic: str
    what: str
    advice: str
    grave: bool = True


_WHY: Final = {
    "cleanup.policy": "records would be lost, and with them the replay",
    "retention.ms": "old records would be deleted, and with them the replay",
    "retention.bytes": "old records would be deleted, and with them the replay",
    "message.timestamp.type": "record times would not be what the engine takes them for",
    "compression.type": "the broker would compress every batch again",
}


def settings_findings(plans: list[Plan], settings: dict[str, dict[str, str]]) -> list[Finding]:
    """Each setting that would lose or falsify something, and what is too small."""
    findings = []
    for each in plans:
        actual = settings[each.name]
        for name, value in each.settings.items():
            if name in _WHY and actual.get(name) != value:
                findings.append(
                    Finding(
                        each.name,
                        f"{name} is {actual.get(name)}, not {value}: {_WHY[name]}",
                        f"set it to {value} (`repair` does)",
                        grave=name != "compression.type",
                    )
                )
        age = int(actual.get("message.timestamp.before.max.ms", _AGE_MS_MIN))
        if age < _AGE_MS_MIN:
            findings.append(
                Finding(
                    each.name,
                    f"it takes no records that are older than {age} ms",
                    "raise message.timestamp.before.max.ms before history is imported",
                    grave=False,
                )
            )
    return findings + _sizes(settings)


def _sizes(settings: dict[str, dict[str, str]]) -> list[Finding]:
    def limit(name: str) -> int:
        return int(settings[name]["max.message.bytes"])

    inputs = [topic.name for topic in INPUTS if topic.name in settings]
    if DEAD_LETTERS.name not in settings or not inputs:
        return []
    largest = max(inputs, key=limit)
    letters = limit(DEAD_LETTERS.name)
    if letters > limit(largest):
        return []
    return [
        Finding(
            DEAD_LETTERS.name,
            f"max.message.bytes is {letters}, and {largest} takes {limit(largest)}: a letter "
            "that does not fit would halt its partition",
            f"set it above {limit(largest)} (`repair` does)",
        )
    ]

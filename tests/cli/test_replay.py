"""`creditfold replay --verify`: no stored byte can change unseen."""

from __future__ import annotations

import msgspec
import pytest

from cli.support import documents, event, invoke, published, usage
from creditfold.local.database import Database


@pytest.fixture
def directory(tmp_path):
    unpriced = event("s8", "meter.declared", {"meter": "m", "version": 1, "product": "p"}, None)
    free = usage("u2", "1")
    free["data"] = {"meter": "m", "quantity": "1"}
    return published(tmp_path / "d", unpriced, usage("u1", "30"), free)


def replay(directory):
    result = invoke("replay", "--verify", "--data-dir", directory, "-o", "json")
    return result.exit_code, documents(result.stdout)[0]


def test_an_untouched_log_agrees_in_both_outputs(directory) -> None:
    code, report = replay(directory)

    assert 0 == code
    assert (True, 10, 0, 0) == (
        report["agrees"],
        report["inputs"],
        report["differences"],
        report["broken_links"],
    )
    table = invoke("replay", "--verify", "--data-dir", directory)
    assert "same to the byte" in table.stdout


def change(directory, topic: str, old: bytes, new: bytes) -> None:
    """Change the last record of the topic that holds `old`, in the database itself."""
    assert len(old) == len(new)
    prefix = b"l/" + topic.encode() + b"\0"
    with Database(directory) as database:
        held = [(key, value) for key, value in database.scan(prefix) if old in value]
        key, value = held[-1]
        stored = list(msgspec.msgpack.decode(value))
        stored[2] = stored[2].replace(old, new)
        database.write({prefix + key: msgspec.msgpack.encode(stored)})


CHANGES = [
    ("creditfold.commands.v1", b'"8.00"', b'"8.01"'),
    ("creditfold.invoices.v1", b'"9.60"', b'"9.59"'),
    ("creditfold.usage.v1", b'"30"', b'"31"'),
    ("creditfold.ledger.v1", b'"amount":"5"', b'"amount":"6"'),
    ("creditfold.revenue.v1", b'"amount":800', b'"amount":801'),
    ("creditfold.notices.v1", b'"quantity":"1"', b'"quantity":"2"'),
]


@pytest.mark.parametrize(("topic", "old", "new"), CHANGES)
def test_a_change_of_one_digit_in_any_topic_is_found(directory, topic, old, new) -> None:
    try:
        change(directory, topic, old, new)
    except IndexError:
        pytest.skip(f"no record of {topic} holds {old!r}")

    code, report = replay(directory)

    assert 1 == code
    assert not report["agrees"]
    assert report["differences"] > 0
    assert report["broken_links"] > 0
    table = invoke("replay", "--verify", "--data-dir", directory)
    assert 1 == table.exit_code
    assert "First difference" in table.stdout


def test_both_sides_of_the_first_difference_are_shown(directory) -> None:
    change(directory, "creditfold.revenue.v1", b'"amount":800', b'"amount":801')

    _, report = replay(directory)

    assert '"amount":801' in report["first"]["stored"]
    assert '"amount":800' in report["first"]["replayed"]


def test_a_removed_record_is_found(directory) -> None:
    prefix = b"l/creditfold.revenue.v1\0"
    with Database(directory) as database:
        key = database.last(prefix)
        assert key is not None
        database.write({prefix + key: None})

    code, report = replay(directory)

    assert 1 == code
    assert not report["agrees"]

"""A worker has the folders at hand that the engine holds, and none of what it gave away."""

import gc

import msgspec
import pytest

from creditfold.engine.errors import RefusedToStart
from creditfold.worker.folder import CreditFolding, Note


class Empty:
    """The committed state of a partition that has read nothing."""

    def get(self, key):
        return None

    def get_many(self, keys):
        return [None for _ in keys]

    def scan(self, prefix, start=b""):
        return iter(())

    def due(self, until, limit):
        return []

    def next_due(self):
        return None


def test_a_folder_is_known_as_long_as_the_engine_holds_it():
    folding = CreditFolding(4, 100)
    held = {number: folding.folder(number, Empty(), None) for number in (1, 2)}
    assert held == dict(folding.folders)
    del held[1]  # revoked: the engine lets its partition go
    gc.collect()
    assert [2] == list(folding.folders)
    held[2] = folding.folder(2, Empty(), None)  # every assignment opens its partitions anew
    gc.collect()
    assert held == dict(folding.folders)


def test_state_of_another_format_is_refused():
    folding = CreditFolding(4, 100)
    folding.folder(1, Empty(), msgspec.json.encode(Note()))
    with pytest.raises(
        RefusedToStart, match="has state of format 2, this version reads 1: use the"
    ):
        folding.folder(1, Empty(), msgspec.json.encode(Note(format=2)))

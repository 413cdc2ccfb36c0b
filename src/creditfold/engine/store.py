"""The partition's state on local disk: one RocksDB for each partition, one write for each batch.

Three kinds of keys, told apart by their first byte: state `s`, due index `d` (8 bytes of instant,
then the due key), and the engine's own `m`. State and position come from the changelog; the due
index is derived from state. Local state is never ahead of Kafka, and what a power cut takes from
it is read again from the changelog.
"""

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from rocksdict import BlockBasedOptions, Cache, Options, Rdict, ReadOptions, WriteBatch

from creditfold.engine.position import Position, decode
from creditfold.engine.seam import DueChange

STATE, DUE, META = b"s", b"d", b"m"
POSITION = META + b"position"  # the changelog's keys are these keys, the position's included
_NEXT = META + b"changelog-next"
_LOG_ID = META + b"changelog-id"
_TOUCHED = META + b"touched"

DueOf = Callable[[bytes, bytes], Iterable[tuple[int, bytes]]]


def due_key(instant: int, key: bytes) -> bytes:
    """Return the index key that sorts by instant, then by key."""
    return DUE + instant.to_bytes(8, "big") + key


class Store:
    """State of one partition, written only after Kafka has committed."""

    def __init__(self, path: Path, cache: Cache) -> None:
        self.path = path
        self._cache = cache
        self._db = self._open()

    def _open(self) -> Rdict:
        self.path.mkdir(parents=True, exist_ok=True)
        table = BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(10, False)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_size(8 << 20)
        # A fact's id is asked for to learn that it is new: the filter spares most of the search.
        options.set_memtable_whole_key_filtering(True)
        options.set_memtable_prefix_bloom_ratio(0.1)
        options.set_keep_log_file_num(2)
        options.set_max_background_jobs(2)
        return Rdict(str(self.path), options)

    def close(self) -> None:
        """Release the files."""
        self._db.close()

    def wipe(self) -> None:
        """Forget everything; the changelog brings it back."""
        self._db.close()
        shutil.rmtree(self.path)
        self._db = self._open()

    # What a folder reads

    def get(self, key: bytes) -> bytes | None:
        """Return the value under `key`."""
        value: bytes | None = self._db.get(STATE + key)
        return value

    def scan(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Yield keys and values below `prefix` in key order, from `prefix + start` on."""
        for key, value in self._below(STATE + prefix, start):
            yield key[1:], value

    def due(self, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Return at most `limit` due items up to and including `until`, earliest first."""
        found: list[tuple[int, bytes]] = []
        for key, _ in self._below(DUE):
            instant = int.from_bytes(key[1:9], "big")
            if instant > until or len(found) == limit:
                break
            found.append((instant, key[9:]))
        return found

    def next_due(self) -> int | None:
        """Return the earliest due instant."""
        for key, _ in self._below(DUE):
            return int.from_bytes(key[1:9], "big")
        return None

    def _below(self, prefix: bytes, start: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        # upper bound: the prefix with its last byte that can grow made one larger
        stem = prefix.rstrip(b"\xff")
        options = ReadOptions()
        options.set_iterate_upper_bound(stem[:-1] + bytes([stem[-1] + 1]))
        yield from self._db.items(from_key=prefix + start, read_opt=options)

    # What the engine keeps

    def position(self) -> Position | None:
        """Return the position that belongs to this state."""
        value = self._db.get(POSITION)
        return None if value is None else decode(value)

    def has_state(self) -> bool:
        """Tell whether any state is stored."""
        return next(self._below(STATE), None) is not None

    def changelog_next(self) -> int:
        """Return the first changelog offset that is not in here yet."""
        return int(self._db.get(_NEXT) or 0)

    def belongs_to(self, log_id: str, wall: int, retention_ms: int) -> bool:
        """Tell whether the changelog can bring this store up to date.

        It cannot if the topic was made anew, or if the store rested for longer than tombstones are
        kept: keys deleted meanwhile would rise again. An empty store always can.
        """
        stored, touched = self._db.get(_LOG_ID), self._db.get(_TOUCHED)
        if stored is None or touched is None:
            return not self.has_state()
        return bool(stored == log_id.encode()) and wall - int(touched) < retention_ms * 1_000

    def adopt(self, log_id: str, wall: int) -> None:
        """Note which changelog this store follows, and that it had all of it at `wall`."""
        batch = WriteBatch(raw_mode=True)
        batch.put(_LOG_ID, log_id.encode())
        batch.put(_TOUCHED, b"%d" % wall)
        self._db.write(batch)

    def touch(self, wall: int) -> None:
        """Note that the store is up to date with its changelog at `wall`."""
        self._db.put(_TOUCHED, b"%d" % wall)

    def write(
        self,
        changes: Mapping[bytes, bytes | None],
        due: Sequence[DueChange],
        position: bytes,
        changelog_next: int,
    ) -> None:
        """Write what a committed transaction left, all of it or nothing."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(STATE + key)
            else:
                batch.put(STATE + key, value)
        for instant, key, add in due:
            if add:
                batch.put(due_key(instant, key), b"")
            else:
                batch.delete(due_key(instant, key))
        batch.put(POSITION, position)
        batch.put(_NEXT, b"%d" % changelog_next)
        self._db.write(batch)

    def absorb(
        self, records: Sequence[tuple[bytes, bytes | None]], changelog_next: int, due_of: DueOf
    ) -> None:
        """Write records of the changelog and bring the due index along."""
        latest = dict(records)
        states = [key for key in latest if key[:1] == STATE]
        stored = self._db.get([*states]) if states else []
        batch = WriteBatch(raw_mode=True)
        for key, old in zip(states, stored or [], strict=True):
            if old is not None:
                for instant, item in due_of(key[1:], old):
                    batch.delete(due_key(instant, item))
        for key, value in latest.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        # adds after all removals: two values may share a due item
        for key in states:
            value = latest[key]
            if value is not None:
                for instant, item in due_of(key[1:], value):
                    batch.put(due_key(instant, item), b"")
        batch.put(_NEXT, b"%d" % changelog_next)
        self._db.write(batch)

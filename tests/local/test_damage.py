"""Files cut short or turned: an earlier whole state or a clear error, and no silent difference."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from creditfold.audit import chain, replay
from creditfold.local.database import Database, StorageError
from creditfold.local.runtime import LocalRuntime
from local.desk import Clock, catalog, filled, history, publish, to_inputs
from properties.events import DAY, HOUR, START

POINTS = 24


@pytest.fixture(scope="module")
def unflushed(tmp_path_factory) -> Path:
    """A directory as a killed process leaves it: all that it wrote is in the write-ahead log."""
    base = tmp_path_factory.mktemp("unflushed")
    inputs = to_inputs(history())
    clock = Clock()
    with LocalRuntime(base / "live", clock) as runtime:
        for begin in range(0, len(inputs), 3):
            chunk = inputs[begin : begin + 3]
            clock.now = max(clock.now, *(each.timestamp for each in chunk))
            publish(runtime, chunk)
        shutil.copytree(base / "live", base / "killed")
    return base / "killed"


@pytest.fixture(scope="module")
def flushed(tmp_path_factory) -> Path:
    """A directory that was closed: all is in a table."""
    directory = tmp_path_factory.mktemp("flushed") / "data"
    filled(directory)
    return directory


def opened(directory: Path) -> tuple[int, int] | str:
    """(batches, inputs) of what is left, where both audits agree with it; else the sentence."""
    try:
        with LocalRuntime(directory, Clock(START + 40 * DAY)) as runtime:
            for _ in runtime.run():
                pass
            report = replay.verify(runtime.log)
            assert 0 == report.differences, report.first
            assert [] == chain.check(runtime.log).findings
            return report.batches, report.inputs
    except StorageError as error:
        return str(error)


def spoilt(source: Path, target: Path, pattern: str, change) -> Path:
    shutil.copytree(source, target)
    (path,) = [p for p in target.glob(pattern) if p.stat().st_size]
    path.write_bytes(change(path.read_bytes()))
    return target


def points(source: Path, pattern: str) -> Iterator[float]:
    (path,) = [p for p in source.glob(pattern) if p.stat().st_size]
    size = path.stat().st_size
    yield from (size * n // POINTS for n in range(POINTS))
    yield from (size - 1, size - 7)


def test_a_write_ahead_log_cut_anywhere_gives_an_earlier_whole_state(unflushed, tmp_path):
    whole = opened(shutil.copytree(unflushed, tmp_path / "whole"))
    states = []
    for n, point in enumerate(points(unflushed, "*.log")):
        left = opened(spoilt(unflushed, tmp_path / str(n), "*.log", lambda b, p=point: b[:p]))
        if not point:
            assert "is damaged" in left, "a directory that was made holds its format at least"
            continue
        assert isinstance(left, tuple), left
        states.append(left)
    assert all(inputs <= whole[1] for _, inputs in states)
    assert sorted(states[: POINTS - 1]) == states[: POINTS - 1], "the less is cut, the more is left"
    assert 5 < len(set(states))


def test_a_turned_byte_in_the_write_ahead_log_is_an_earlier_state_or_a_clear_error(
    unflushed, tmp_path
):
    for n, point in enumerate(points(unflushed, "*.log")):

        def turn(data: bytes, at: int = point) -> bytes:
            return data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]

        left = opened(spoilt(unflushed, tmp_path / str(n), "*.log", turn))
        assert isinstance(left, tuple) or "is damaged" in left, left


def test_a_table_cut_anywhere_is_a_clear_error(flushed, tmp_path):
    for n, point in enumerate(points(flushed, "*.sst")):
        left = opened(spoilt(flushed, tmp_path / str(n), "*.sst", lambda b, p=point: b[:p]))
        assert "is damaged" in left
        assert "restore it from a backup" in left


def test_a_turned_byte_in_a_table_is_a_clear_error_or_harmless(flushed, tmp_path):
    whole = opened(shutil.copytree(flushed, tmp_path / "whole"))
    told = set()
    for n, point in enumerate(points(flushed, "*.sst")):

        def turn(data: bytes, at: int = point) -> bytes:
            return data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :]

        left = opened(spoilt(flushed, tmp_path / str(n), "*.sst", turn))
        told.add("same" if left == whole else "damaged" if "is damaged" in left else left)
    assert {"damaged"} <= told <= {"same", "damaged"}


@pytest.mark.parametrize("name", ["CURRENT", "MANIFEST-*", "*.sst"])
@pytest.mark.parametrize("how", ["gone", "empty"])
def test_a_file_that_is_gone_or_empty_is_a_clear_error(flushed, tmp_path, name, how):
    directory = shutil.copytree(flushed, tmp_path / "d")
    (path,) = directory.glob(name)
    path.unlink() if how == "gone" else path.write_bytes(b"")
    assert "is damaged" in opened(directory)


@pytest.mark.parametrize("name", ["MANIFEST-*", "CURRENT"])
def test_nothing_is_deleted_from_a_directory_whose_manifest_is_lost(unflushed, tmp_path, name):
    directory = shutil.copytree(unflushed, tmp_path / "d")
    (path,) = directory.glob(name)
    path.write_bytes(path.read_bytes()[:60]) if name != "CURRENT" else path.unlink()
    kept = {p.name: p.read_bytes() for p in directory.iterdir() if p.suffix in (".sst", ".log")}
    for read_only in (False, True):
        with pytest.raises(StorageError, match="is damaged"):
            LocalRuntime(directory, Clock(), read_only=read_only)
    assert kept == {name: (directory / name).read_bytes() for name in kept}


def test_a_manifest_cut_anywhere_never_passes_for_an_empty_directory(flushed, tmp_path):
    whole = opened(shutil.copytree(flushed, tmp_path / "whole"))
    for n, point in enumerate(points(flushed, "MANIFEST-*")):
        left = opened(spoilt(flushed, tmp_path / str(n), "MANIFEST-*", lambda b, p=point: b[:p]))
        assert left == whole or "is damaged" in left, (point, left)


@pytest.mark.parametrize(
    ("prefix", "value"),
    [
        (b"m/position", b"\xc1"),
        (b"s/account\0", b"\x91\xc1"),
        (b"l/creditfold.usage.v1\0", b"\x93"),
        (b"l/creditfold.ledger.v1\0", b""),
    ],
)
def test_a_stored_value_that_cannot_be_read_is_a_clear_error(flushed, tmp_path, prefix, value):
    directory = shutil.copytree(flushed, tmp_path / "d")
    with Database(directory) as database:
        key = next(key for key, _ in database.scan(prefix))
        database.write({prefix + key: value})
    try:
        with LocalRuntime(directory, Clock(START + HOUR)) as runtime:
            publish(runtime, to_inputs(catalog()))
            runtime.store.get(("ada", "account", ""))
            assert 0 < replay.verify(runtime.log).differences
    except StorageError as error:
        assert str(directory) in str(error)  # noqa: PT017  # either ending is right


@pytest.mark.parametrize("key", [b"m/position", b"d/\0\0\0\0\0\0\0\0\xff"])
def test_a_runtime_that_cannot_be_made_releases_the_directory(flushed, tmp_path, key):
    directory = shutil.copytree(flushed, tmp_path / "d")
    with Database(directory) as database:
        database.write({key: b"\xc1"})
    with pytest.raises(StorageError, match="is damaged") as told:
        LocalRuntime(directory, Clock())
    with Database(directory) as database:  # while the error, with its frames, is still held
        database.write({b"m/again": b""})
    assert str(directory) in str(told.value)

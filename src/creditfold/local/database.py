"""One RocksDB directory that holds the log and the state; every failure says what to do."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from rocksdict import (
    AccessType,
    DBCompressionType,
    Options,
    Rdict,
    ReadOptions,
    WriteBatch,
    WriteOptions,
)

FORMAT = b"1"
"""Layout of the directory; another one is refused, not guessed at."""

MARKER = "creditfold.format"
"""A plain file beside RocksDB's own: where it lies, a database without a format has lost it."""

_FORMAT_KEY = b"m/format"

_locked = re.compile(r"\block\b").search


class StorageError(Exception):
    """The directory cannot be used; the message says why and what to do."""


class Database:
    """Ordered bytes on disk. What `write` returns from is synced."""

    def __init__(self, directory: Path, *, read_only: bool = False) -> None:
        self.directory = directory
        self._sync = WriteOptions()
        self._sync.sync = True
        self._links: TemporaryDirectory[str] | None = None
        if self._begun():
            # A writer deletes each table that the manifest does not name: look before it does.
            self._open(read_only=True)
            with ExitStack() as looking:
                looking.push(self)
                self._check_format(read_only=read_only)
                if read_only:
                    looking.pop_all()
        elif read_only:
            raise _without_data(directory)
        if not read_only:
            self._open(read_only=False)
            with ExitStack() as marking:
                marking.push(self)
                self._mark()
                marking.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close()
        except StorageError:
            if error is None:  # else it is told already what is wrong
                raise

    def close(self) -> None:
        """Release the directory."""
        try:
            self._db.close()
        except Exception as error:  # rocksdict raises bare Exception
            raise _explained(self.directory, error) from error
        finally:
            if self._links is not None:
                self._links.cleanup()

    def damaged(self, what: str) -> StorageError:
        """The error of a directory that does not hold what was written to it."""
        return _damaged(self.directory, what)

    def get(self, key: bytes) -> bytes | None:
        """The value under the key."""
        try:
            value: bytes | None = self._db.get(key)
        except Exception as error:  # rocksdict raises bare Exception
            raise _explained(self.directory, error) from error
        return value

    def scan(self, prefix: bytes, start: bytes = b"") -> Generator[tuple[bytes, bytes], None, None]:
        """(key without the prefix, value) in order, from `prefix + start` on."""
        options = ReadOptions()
        options.set_iterate_upper_bound(_after(prefix))
        cursor = self._db.iter(options)
        cursor.seek(prefix + start)
        while cursor.valid():
            yield cursor.key()[len(prefix) :], cursor.value()
            cursor.next()
        try:
            cursor.status()
        except Exception as error:  # rocksdict raises bare Exception
            raise _explained(self.directory, error) from error

    def last(self, prefix: bytes) -> bytes | None:
        """The greatest key under the prefix, without it."""
        cursor = self._db.iter()
        cursor.seek_for_prev(_after(prefix))
        if cursor.valid() and (key := cursor.key()).startswith(prefix):
            found: bytes = key[len(prefix) :]
            return found
        return None

    def write(self, changes: dict[bytes, bytes | None]) -> None:
        """Write all of it or nothing, synced to disk; None deletes."""
        batch = WriteBatch(raw_mode=True)
        for key, value in changes.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)
        try:
            self._db.write(batch, self._sync)
        except Exception as error:  # rocksdict raises bare Exception
            raise _explained(self.directory, error) from error

    def _begun(self) -> bool:
        try:
            begun = (self.directory / "CURRENT").exists()
            lost = not begun and (self._marked() or self._has_tables())
        except OSError as error:
            raise _explained(self.directory, error) from error
        if lost:
            raise self.damaged("CURRENT is missing")
        return begun

    def _open(self, *, read_only: bool) -> None:
        directory = self.directory
        access = (
            AccessType.read_only(error_if_log_file_exist=False)
            if read_only
            else AccessType.read_write()
        )
        self._links = None
        try:
            directory.mkdir(parents=True, exist_ok=True)
            if read_only and not os.access(directory, os.W_OK):
                self._links = _linked(directory)
            opened = str(directory) if self._links is None else self._links.name
            self._db = Rdict(opened, _options(), access_type=access)
        except Exception as error:  # rocksdict raises bare Exception for all of RocksDB's errors
            raise _explained(directory, error) from error

    def _check_format(self, *, read_only: bool) -> None:
        known = self.get(_FORMAT_KEY)
        if known == FORMAT:
            return
        if known is not None:
            raise StorageError(
                f"{self.directory} has format {known.decode(errors='replace')}, this version "
                f"reads {FORMAT.decode()}: use the version that wrote it"
            )
        if self._marked():
            raise self.damaged("MANIFEST does not name what was written")
        if next(self.scan(b""), None) is not None:
            raise StorageError(
                f"{self.directory} is a database of another application: name another one"
            )
        if self._has_tables():
            raise self.damaged("MANIFEST names none of the tables")
        if read_only:
            raise _without_data(self.directory)

    def _mark(self) -> None:
        if self.get(_FORMAT_KEY) is None:
            self.write({_FORMAT_KEY: FORMAT})
        if not self._marked():
            try:  # after the format: a kill between the two is no damage
                (self.directory / MARKER).write_bytes(FORMAT + b"\n")
            except OSError as error:
                raise _explained(self.directory, error) from error

    def _marked(self) -> bool:
        return (self.directory / MARKER).exists()

    def _has_tables(self) -> bool:
        return next(self.directory.glob("*.sst"), None) is not None


def _after(prefix: bytes) -> bytes:
    """The least key that is greater than all keys with the prefix."""
    return prefix[:-1] + bytes([prefix[-1] + 1]) if prefix else b"\xff"


def _options() -> Options:
    options = Options(raw_mode=True)
    options.create_if_missing(True)
    options.set_compression_type(DBCompressionType.lz4())
    options.set_keep_log_file_num(2)
    options.set_max_background_jobs(2)
    options.set_paranoid_checks(True)
    return options


def _linked(directory: Path) -> TemporaryDirectory[str]:
    """A directory of links: rocksdict writes a file of its own even where it only reads."""
    links = TemporaryDirectory(prefix="creditfold-")
    for path in directory.iterdir():
        (Path(links.name) / path.name).symlink_to(path.absolute())
    (Path(links.name) / "rocksdict-config.json").unlink(missing_ok=True)
    return links


def _explained(directory: Path, error: Exception) -> StorageError:
    text = str(error)
    low = text.replace(str(directory), "").lower()  # a directory may be called anything
    if "corruption" in low:
        return _damaged(directory, text)
    if "no space" in low:
        return StorageError(
            f"the disk of {directory} is full: free some space and run the command again; "
            "what was acknowledged is safe"
        )
    if "read-only" in low or "permission denied" in low:
        return StorageError(f"{directory} cannot be written: check its permissions and mount")
    if _locked(low):
        return StorageError(
            f"another process has {directory} open: wait until it is done, or stop it"
        )
    if "no such file" in low:
        return _damaged(directory, text)
    return StorageError(f"{directory}: {text}")


def _damaged(directory: Path, what: str) -> StorageError:
    return StorageError(
        f"{directory} is damaged ({what}): restore it from a backup, or publish its facts "
        "again into a new directory"
    )


def _without_data(directory: Path) -> StorageError:
    return StorageError(
        f"{directory} holds no creditfold data yet: publish some facts first, or name "
        "another directory with --data-dir"
    )

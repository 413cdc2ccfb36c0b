"""The directory of a demo: made fresh, replaced where nothing is lost, and never another one."""

from __future__ import annotations

import json
import re
from pathlib import Path

from creditfold.contract.topics import INPUTS
from creditfold.local.database import StorageError
from creditfold.local.runtime import LocalLog, LocalRuntime

MARKER = "creditfold-demo.json"

_OURS = re.compile(
    r"CURRENT|IDENTITY|LOCK|LOG(\.old\.\d+)?|MANIFEST-\d+|OPTIONS-\d+(\.dbtmp)?|\d+\.(sst|log|dbtmp)"
    rf"|rocksdict-config\.json|creditfold\.format|{re.escape(MARKER)}"
)


def prepare(directory: Path, *, force: bool) -> None:
    """Leave an empty directory with the marker; StorageError where that would lose something.

    An old demo goes without asking if it holds the demo's own facts and nothing else.
    """
    if directory.exists():
        _remove(directory, force=force)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(directory, None)
    except OSError as error:
        raise StorageError(
            f"{directory} cannot be written ({error.strerror}): name another directory with "
            "--data-dir"
        ) from error


def finish(directory: Path, log: LocalLog) -> None:
    """Note what the demo has put on the log, so that more of it is noticed."""
    _write(directory, _ends(log))


def _remove(directory: Path, *, force: bool) -> None:
    if not directory.is_dir():
        raise StorageError(f"{directory} is a file: name a directory with --data-dir")
    found = sorted(directory.iterdir())
    if not found:
        return
    if not (directory / MARKER).is_file():
        raise StorageError(
            f"{directory} is not empty and holds no demo: name another directory with --data-dir"
        )
    foreign = next((path for path in found if not _OURS.fullmatch(path.name)), None)
    if foreign is not None:
        raise StorageError(
            f"{directory} also holds {foreign.name}, which is no part of a demo: move it away, or "
            "name another directory with --data-dir"
        )
    if not force and not _untouched(directory):
        raise StorageError(
            f"the demo in {directory} holds facts that you have added: --force replaces it, "
            "--data-dir names another directory"
        )
    for path in directory.iterdir():  # looking into it has renamed some of its files
        path.unlink()


def _untouched(directory: Path) -> bool:
    noted = json.loads((directory / MARKER).read_text("utf-8")).get("inputs")
    if not (directory / "CURRENT").exists():
        return True
    with LocalRuntime(directory, lambda: 0) as runtime:  # as a writer: nobody else may have it
        return noted is None or noted == _ends(runtime.log)


def _ends(log: LocalLog) -> dict[str, int]:
    return {topic.name: log.end(topic.name) for topic in INPUTS}


def _write(directory: Path, inputs: dict[str, int] | None) -> None:
    text = json.dumps({"what": "a demo of creditfold; it may be deleted", "inputs": inputs})
    (directory / MARKER).write_text(f"{text}\n", "utf-8")

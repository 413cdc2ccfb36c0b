"""What can go wrong with a directory, and that each failure is one clear sentence."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from creditfold.audit import chain, replay
from creditfold.local.database import Database, StorageError
from creditfold.local.runtime import LocalRuntime
from local.desk import Clock, catalog, filled, publish, to_inputs
from properties.events import START, fact

CREATED = fact("customer.created", {"currency": "USD"}, id="c", at=START, customer="c")


def sentence(directory: Path, *, read_only: bool = False) -> str:
    """What a process is told that opens the directory."""
    with pytest.raises(StorageError) as told:
        LocalRuntime(directory, Clock(), read_only=read_only)
    return str(told.value)


def test_a_second_process_is_refused_and_the_first_goes_on(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from creditfold.local.runtime import LocalRuntime\n"
        "from creditfold.local.database import StorageError\n"
        "try: LocalRuntime(Path(sys.argv[1]), lambda: 0)\n"
        "except StorageError as error: print(error); sys.exit(3)\n"
    )
    with LocalRuntime(tmp_path / "d", Clock()) as runtime:
        publish(runtime, to_inputs([*catalog(), CREATED]))
        other = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "d")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert (3, "") == (other.returncode, other.stderr)
        expected = f"another process has {tmp_path / 'd'} open: wait until it is done, or stop it"
        assert expected == other.stdout.strip()
        publish(runtime, to_inputs([CREATED | {"id": "d", "subject": "d"}]))
    with LocalRuntime(tmp_path / "d", Clock()) as runtime:
        assert 0 == replay.verify(runtime.log).differences


def test_a_directory_without_data_cannot_be_read(tmp_path):
    for directory in (tmp_path, tmp_path / "none"):
        assert "holds no creditfold data yet" in sentence(directory, read_only=True)
    assert [] == list(tmp_path.iterdir()), "nothing was made"


@pytest.mark.parametrize("read_only", [False, True])
def test_a_directory_of_another_format_is_refused_with_both_named(tmp_path, read_only):
    with Database(tmp_path / "d") as database:
        database.write({b"m/format": b"7"})
    assert "has format 7, this version reads 1" in sentence(tmp_path / "d", read_only=read_only)
    assert "has format 7" in sentence(tmp_path / "d"), "the refusal let go of the directory"


def test_a_database_of_another_application_is_refused_and_not_touched(tmp_path):
    other = Rdict(str(tmp_path / "d"), Options(raw_mode=True))
    other[b"key"] = b"value"
    other.close()
    assert "is a database of another application" in sentence(tmp_path / "d")
    assert "is a database of another application" in sentence(tmp_path / "d", read_only=True)
    other = Rdict(str(tmp_path / "d"), Options(raw_mode=True))
    assert [(b"key", b"value")] == list(other.items())


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_path_that_is_no_directory_is_named(tmp_path, name):
    (tmp_path / "file").write_text("x")
    assert str(tmp_path / name) in sentence(tmp_path / name)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of two megabytes that a test fills, and enlarges again."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {made.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def remount(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


def chunk(number: int) -> list:
    padding = {"pad": "x" * 900}
    return to_inputs(
        fact(
            "usage.recorded",
            {"meter": "calls", "quantity": "1", "properties": padding},
            id=f"u{number}.{n}",
            at=START,
            customer="c",
        )
        for n in range(20)
    )


FILL = """
import sys; from pathlib import Path
from creditfold.local.database import StorageError
from local.desk import *
from local.test_failures import CREATED, chunk
runtime = LocalRuntime(Path(sys.argv[1]), Clock())
publish(runtime, to_inputs([*catalog(), CREATED]))
number = 0
try:
    while True:
        runtime.append(chunk(number)); print("appended", number, flush=True); number += 1
        for _ in runtime.run(): pass
except StorageError as error:
    print(error, flush=True)
import os; os._exit(3)
"""


def fill(place: Path) -> tuple[int, str]:
    """Publish until the disk is full: the last chunk that was acknowledged, and the sentence."""
    tests = str(Path(__file__).parents[1])
    path = os.pathsep.join([tests, *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", FILL, str(place / "data")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert 3 == done.returncode, done.stderr
    *acknowledged, last = done.stdout.splitlines()
    return int(acknowledged[-1].split()[1]), last


def test_a_full_disk_loses_nothing_and_after_freeing_space_the_same_publish_succeeds(small_disk):
    number, told = fill(small_disk)
    assert told == (
        f"the disk of {small_disk / 'data'} is full: free some space and run the command again; "
        "what was acknowledged is safe"
    )
    remount(small_disk, "size=64m")
    with LocalRuntime(small_disk / "data", Clock()) as runtime:
        assert 20 * (number + 1) <= runtime.log.end("creditfold.usage.v1")
        for again in (number, number + 1):
            publish(runtime, chunk(again))
        account = runtime.store.get(("c", "account", ""))
        assert {"USD": 20 * (number + 2) * 10**10} == account.overage
        assert 0 == replay.verify(runtime.log).differences
        assert [] == chain.check(runtime.log).findings


def test_a_runtime_that_could_not_write_says_so_again_or_writes_it_all(small_disk):
    runtime = LocalRuntime(small_disk / "data", Clock())
    publish(runtime, to_inputs([*catalog(), CREATED]))
    for number in range(60):
        runtime.append(chunk(number))
    with pytest.raises(StorageError, match="is full"):
        list(runtime.run())
    remount(small_disk, "size=64m")
    try:
        list(runtime.run())
    except StorageError:
        return
    assert 0 == replay.verify(runtime.log).waiting


def test_closing_after_a_full_disk_does_not_hide_the_sentence(small_disk):
    with LocalRuntime(small_disk / "data", Clock()) as runtime:
        publish(runtime, to_inputs([*catalog(), CREATED]))
    with pytest.raises(StorageError, match="is full"):
        publish_until_full(small_disk / "data")


def publish_until_full(directory: Path) -> None:
    with LocalRuntime(directory, Clock()) as runtime:
        for number in range(1_000):
            publish(runtime, chunk(number))


@pytest.mark.parametrize("read_only", [False, True])
def test_a_read_only_file_system_cannot_be_written_and_can_be_read(small_disk, read_only):
    remount(small_disk, "size=64m")
    filled(small_disk / "data")
    remount(small_disk, "ro")
    if not read_only:
        expected = f"{small_disk / 'data'} cannot be written: check its permissions and mount"
        assert expected == sentence(small_disk / "data")
        assert expected.replace("data", "new") == sentence(small_disk / "new")
        return
    with LocalRuntime(small_disk / "data", Clock(), read_only=True) as runtime:
        assert 0 == replay.verify(runtime.log).differences


def test_the_sentences_are_for_people_and_fit_a_line(tmp_path):
    (tmp_path / "CURRENT").write_text("x")
    text = sentence(tmp_path)
    assert str(tmp_path) in text
    assert "is damaged" in text


def test_after_a_failed_write_a_runtime_asks_to_be_opened_again(tmp_path, monkeypatch):
    def failing(_: object) -> None:
        raise StorageError("the disk is full")

    with LocalRuntime(tmp_path / "d", Clock()) as runtime:
        runtime.append(to_inputs(catalog()))
        with monkeypatch.context() as patch:
            patch.setattr(Database, "write", lambda _, changes: failing(changes))
            with pytest.raises(StorageError, match="is full"):
                runtime.step()
        for again in (runtime.step, lambda: runtime.append(to_inputs([CREATED]))):
            with pytest.raises(StorageError, match="open it again"):
                again()
    with LocalRuntime(tmp_path / "d", Clock()) as runtime:
        publish(runtime, to_inputs([CREATED]))
        assert 0 == replay.verify(runtime.log).differences
        assert len(catalog()) + 1 == replay.verify(runtime.log).inputs


def test_the_words_of_a_directorys_name_are_no_diagnosis(tmp_path):
    directory = tmp_path / "lock corruption no space"
    filled(directory)
    with LocalRuntime(directory, Clock()):
        assert "another process" in sentence(directory)

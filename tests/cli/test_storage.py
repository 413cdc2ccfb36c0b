"""Directories that cannot be used end with code 3 and one sentence."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cli.support import invoke, jsonl, published, run, setup, usage
from creditfold.local.runtime import LocalRuntime

COMMANDS = [
    ("customer", "list"),
    ("customer", "show", "ada"),
    ("trace", "u1"),
    ("replay", "--verify"),
]


@pytest.fixture
def mount(tmp_path):
    """Mounts a small tmpfs, or skips the test with the reason."""
    mounted: list[Path] = []

    def mounting(options: str) -> Path:
        path = tmp_path / f"mount{len(mounted)}"
        path.mkdir()
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(path)],
            capture_output=True,
            check=False,
        )
        if made.returncode:
            pytest.skip(f"no tmpfs can be mounted here: {made.stderr.decode().strip()}")
        mounted.append(path)
        return path

    if os.geteuid() != 0:
        pytest.skip("only root mounts a tmpfs")
    yield mounting
    for path in mounted:
        subprocess.run(["umount", str(path)], check=False)


def one_sentence(result: subprocess.CompletedProcess[bytes]) -> str:
    text = result.stderr.decode()
    assert text.startswith("error: "), text
    assert 1 == len(text.splitlines()), text
    return text


@pytest.mark.parametrize("args", COMMANDS, ids=" ".join)
def test_a_directory_without_data_is_refused_and_not_made(tmp_path, args) -> None:
    result = invoke(*args, "--data-dir", tmp_path / "none")

    assert 3 == result.exit_code
    assert "publish some facts first" in result.stderr
    assert not (tmp_path / "none").exists()


def test_a_second_writer_is_refused_with_a_sentence(tmp_path) -> None:
    directory = published(tmp_path / "d")
    with LocalRuntime(directory, lambda: 0):
        result = run("publish", "--data-dir", directory, stdin=jsonl([usage("u1")]))

    assert 3 == result.returncode
    assert "another process" in one_sentence(result)


def test_readers_are_welcome_while_another_process_writes(tmp_path) -> None:
    directory = published(tmp_path / "d")
    with LocalRuntime(directory, lambda: 0):
        result = run("customer", "show", "ada", "--data-dir", directory)

    assert 0 == result.returncode, result.stderr


@pytest.fixture
def read_only(mount):
    path = mount("size=16m")
    published(path / "d")
    subprocess.run(["mount", "-o", "remount,ro", str(path)], check=True)
    return path


def test_a_read_only_directory_cannot_be_published_to(read_only) -> None:
    result = run("publish", "--data-dir", read_only / "d", stdin=jsonl([usage("u1")]))
    assert 3 == result.returncode
    one_sentence(result)

    demo = run("demo", "--rows", 1, "--data-dir", read_only / "e")
    assert 3 == demo.returncode
    one_sentence(demo)


def test_a_read_only_directory_can_be_read(read_only) -> None:
    assert 0 == run("customer", "list", "--data-dir", read_only / "d").returncode


def test_a_full_disk_is_said_and_what_was_taken_is_safe(mount) -> None:
    path = mount("size=3m")
    directory = published(path / "d")
    many = [usage(f"u{n}", "1", source="x" * 200) for n in range(20_000)]

    result = run("publish", "--data-dir", directory, "-o", "json", stdin=jsonl(many))

    assert 3 == result.returncode, result.stderr
    assert "full" in one_sentence(result)
    subprocess.run(["mount", "-o", "remount,size=512m", str(path)], check=True)
    again = run("publish", "--data-dir", directory, "-o", "json", stdin=jsonl(many))
    assert 0 == again.returncode, again.stderr
    assert 0 == run("replay", "--verify", "--data-dir", directory).returncode


def test_a_file_in_place_of_the_directory_is_refused(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    for args in (("publish",), ("customer", "list"), ("demo", "--rows", "1")):
        result = run(*args, "--data-dir", tmp_path / "file")
        assert 3 == result.returncode, result.stderr
        one_sentence(result)


def test_a_damaged_directory_is_refused_with_a_sentence(tmp_path) -> None:
    directory = published(tmp_path / "d")
    (directory / "CURRENT").write_text("MANIFEST-999999\n")

    result = run("customer", "list", "--data-dir", directory)

    assert 3 == result.returncode
    one_sentence(result)


def test_setup_is_what_the_other_tests_stand_on(tmp_path) -> None:
    assert 7 == len(setup())
    assert 0 == invoke("customer", "list", "--data-dir", published(tmp_path / "d")).exit_code

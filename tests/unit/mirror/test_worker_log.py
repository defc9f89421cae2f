"""Why a connector does not progress, from the log of its worker."""

from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cutover_harness.mirror.worker_log import last_reason

NAME = "cutover-a-source"
NOW = datetime(2026, 11, 29, 12, 0, 30)  # noqa: DTZ001 - as a log has it
TOO_LARGE = (
    f"[Producer clientId=connector-producer-{NAME}-0] Got error produce response in correlation id 18 on "
    "topic-partition orders-0, splitting and retrying (2147483647 attempts left). Error: MESSAGE_TOO_LARGE (Sender)"
)
OUT_OF_ORDER = (
    f"[Producer clientId=connector-producer-{NAME}-0] Got error produce response with correlation id 19 on "
    "topic-partition orders-0, retrying (2147483646 attempts left). Error: OUT_OF_ORDER_SEQUENCE_NUMBER (Sender)"
)


def write(path: Path, *lines: str) -> list[Path]:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [path, path.with_name("not-there.log")]


def test_a_producer_that_retries_forever_is_named(tmp_path: Path) -> None:
    log = write(
        tmp_path / "connect.log",
        f"2026-11-29 12:00:01,984 WARN  {TOO_LARGE}",
        f"2026-11-29 12:00:02,001 WARN  {OUT_OF_ORDER}",
        f'2026-11-29 12:00:03,000 INFO  "GET /connectors/{NAME}/offsets HTTP/1.1" 200 (RestServer)',
    )
    assert last_reason(log, [NAME], NOW) == f"WARN {TOO_LARGE}"


@pytest.mark.parametrize(
    "line",
    [
        f"2026-11-29 12:00:01,984 ERROR [{NAME}|task-0] broken (WorkerSourceTask)",
        f"[2026-11-29 12:00:01,984] ERROR [{NAME}|task-0] broken (WorkerSourceTask:1)",
        f"2026-11-29 12:00:01,984 ERROR broken: WorkerSourceTask{{id={NAME}-0}} (WorkerSourceTask)",
        f"2026-11-29 12:00:01,984 WARN  [Consumer clientId=a.source->a.target|{NAME}-0|consumer] broken (X)",
    ],
)
def test_each_form_of_naming_a_connector(tmp_path: Path, line: str) -> None:
    assert "broken" in (last_reason(write(tmp_path / "l", line), [NAME], NOW) or "")


@pytest.mark.parametrize(
    "line",
    [
        f"2026-11-29 12:00:01,984 WARN  [cutover-b-{NAME}|task-0] of another (X)",
        f"2026-11-29 12:00:01,984 WARN  [{NAME}-source|task-0] of another (X)",
        f"2026-11-29 12:00:01,984 INFO  [{NAME}|task-0] no warning (X)",
        f"2026-11-29 11:58:01,984 WARN  [{NAME}|task-0] passed (X)",
        f"2026-11-29 12:00:01,984 WARN  [{NAME}|task-0] The configuration 'x' was supplied but isn't known (X)",
        "	at java.base/java.lang.Thread.run",
    ],
)
def test_lines_that_are_no_reason(tmp_path: Path, line: str) -> None:
    assert last_reason(write(tmp_path / "l", line), [NAME], NOW) is None


def test_a_consequence_is_named_if_there_is_nothing_else(tmp_path: Path) -> None:
    log = write(tmp_path / "l", f"2026-11-29 12:00:02,001 WARN  {OUT_OF_ORDER}")
    assert last_reason(log, [NAME], NOW) == f"WARN {OUT_OF_ORDER}"
    assert last_reason(log, [NAME], NOW + timedelta(hours=1)) is None

"""The traffic that a scenario replays: the capture, or records made for the scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cutover_harness.capture.clock import clock_of
from cutover_harness.capture.format import CaptureReader, TopicInfo
from cutover_harness.errors import UsageError
from cutover_harness.judge.planned import Planned, PlannedTopic
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.topic_names import problem
from cutover_harness.rehearsal.settings import TARGET_RUN_S, Settings
from cutover_harness.rehearsal.traffic import write_traffic


@dataclass(frozen=True)
class ReplayInput:
    """A capture and how it is replayed.

    clock_ms: timestamps of its first and last record. speed: replay speed factor. warning: one line on its
    timestamps if they cannot all be used. written: recorded topic -> topic that is written to; empty: the same ones,
    otherwise `topics` are the written ones.
    """

    capture: Path
    topics: Mapping[str, TopicInfo]
    records: int
    clock_ms: tuple[int, int]
    span_s: float
    speed: float
    warning: str | None
    written: Mapping[str, str] = field(default_factory=dict)

    def recorded(self, topic: str) -> str:
        """Return the name under which a written topic was recorded."""
        return next((recorded for recorded, written in self.written.items() if written == topic), topic)

    def facts(self) -> dict[str, Any]:
        """Return what a report shows of it."""
        return {
            "name": self.capture.name,
            "records": self.records,
            "topics": sorted(self.topics),
            "span_s": self.span_s,
            **({} if self.warning is None else {"timestamps": self.warning}),
        }


def prepare(scenario: Scenario, settings: Settings, folder: Path, planned: Planned | None = None) -> ReplayInput:
    """Return what `scenario` replays; its own traffic is written to `folder` first.

    planned: the part of a plan that it rehearses; of the capture only its topics are replayed.

    Raises UsageError if no cluster can have the capture's topics, OSError if the traffic cannot be written.
    """
    if scenario.traffic:
        made = write_traffic(scenario.traffic, settings.seed, folder / "traffic.parquet")
        settings = replace(settings, capture=made, speed=None)
    with CaptureReader(settings.capture) as capture:
        clock = clock_of(capture)
        topics, records = capture.info.topics, capture.records
    written: dict[str, str] = {}
    if planned is not None:
        topics = {name: _as_planned(topics[name], planned.topics[name]) for name in sorted(planned.topics)}
        written = {name: name for name in topics}
    if (why := problem(topics)) is not None:
        raise UsageError(f"capture {settings.capture}: {why}")
    span_s = max(clock.span_s, 1.0)
    return ReplayInput(
        capture=settings.capture,
        topics=topics,
        records=records,
        clock_ms=(clock.first_ms, clock.last_ms),
        span_s=span_s,
        speed=settings.speed or max(span_s / TARGET_RUN_S, 1.0),
        warning=clock.warning(),
        written=written,
    )


def _as_planned(recorded: TopicInfo, planned: PlannedTopic) -> TopicInfo:
    """Return a recorded topic with the plan's properties; its records go to the partitions that they were read from."""
    return TopicInfo(max(recorded.partitions, planned.partitions), planned.config)


def capture_facts(settings: Settings) -> dict[str, Any]:
    """Return what `rehearsal.json` has of the capture that scenarios replay. Raises UsageError if it is not usable."""
    if settings.plan is not None and not settings.plan.replayed:
        return {"name": "generated to the inventory's rates and sizes"}
    with CaptureReader(settings.capture) as capture:
        clock = clock_of(capture)
        warning = clock.warning()
        if (why := problem(capture.info.topics)) is not None:
            raise UsageError(f"capture {settings.capture}: {why}")
        return {
            "name": settings.capture.name,
            "records": capture.records,
            "topics": len(capture.info.topics),
            "span_s": clock.span_s,
            **({} if warning is None else {"timestamps": warning}),
        }

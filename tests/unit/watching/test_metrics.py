"""Metrics of a snapshot, and the dashboard that uses them."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.cutover.progress import batch_progress, not_begun
from cutover_harness.locks import FileLock
from cutover_harness.watching.facts import BatchFacts, Figures, Statuses
from cutover_harness.watching.history import lag_history
from cutover_harness.watching.metrics import METRICS, PREFIX, metrics_of
from cutover_harness.watching.snapshot import batch_view
from cutover_harness.watching.terminal import bypass_lines
from cutover_harness.watching.views import Snapshot
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.watching.recorded import Recorded

DASHBOARD = Path(__file__).parents[3] / "docs/grafana-dashboard.json"
NAME = re.compile(rf"\b{PREFIX}\w+")


def samples(content: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    found = {}
    for family in text_string_to_metric_families(content.decode()):
        for sample in family.samples:
            labels = {name: value for name, value in sample.labels.items() if name not in ("plan", "batch")}
            found[sample.name.removeprefix(PREFIX), tuple(sorted(labels.items()))] = sample.value
    return found


def test_the_metrics_of_a_run(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path).on_hold()
    config = ConductorConfig.load(recorded.own / CONFIG)
    entries = recorded.run.entries("orders")
    contents = {file.stem: json.loads(file.read_text()) for file in (tmp_path / "status").iterdir()}
    with FileLock(config.lock):
        progress = batch_progress("orders", entries, config)
    figures = Figures(at=17.0, unread={"billing": 3}, native=0, offsets_retention_s=7200)
    facts = BatchFacts(progress, entries, config, 1, Statuses(contents), figures, lag_history(entries))
    now = time.time()
    found = samples(metrics_of(Snapshot(now, "shop", "h", [batch_view(facts, now)])))
    assert found["stage", ()] == 3
    assert found["run_state", (("state", "begun"),)] == 1
    assert found["run_state", (("state", "completed"),)] == 0
    assert (found["conductor_running", ()], found["stopped", ()], found["approval_pending", ()]) == (1, 0, 0)
    gate = (("gate", "attested consumers on hold"), ("step", "stop-consumers"))
    assert found["gate_state", (gate[0], ("state", "waiting"), gate[1])] == 1
    assert found["gate_wait_seconds", gate] >= 4.5
    assert found["gate_deadline_seconds", gate] == 30
    assert found["mirror_lag_records", ()] == 3
    assert found["clients_expected", (("role", "consumer"),)] == 1
    assert found["clients_attested", (("role", "consumer"),)] == 0
    assert found["clients_attested", (("role", "producer"),)] == 1
    assert found["blackout_seconds", (("role", "consumer"), ("which", "current"))] > 3
    assert ("blackout_seconds", (("role", "consumer"), ("which", "last"))) not in found
    assert found["rollback_possible", ()] == 1
    assert found["rollback_possible_until_timestamp_seconds", ()] > now
    assert found["figures_timestamp_seconds", ()] == 17
    assert found["target_native_records", ()] == 0


def test_bypasses_are_counted_by_kind_and_close_gates_until_they_are_over(tmp_path: Path) -> None:
    recorded = Recorded(tmp_path).on_hold()
    labels = (("cluster", "source"), ("kind", "straggler"), ("role", "producer"))

    def seen() -> tuple[float, float, list[str]]:
        config, entries = ConductorConfig.load(recorded.own / CONFIG), recorded.run.entries("orders")
        view = batch_view(BatchFacts(batch_progress("orders", entries, config), entries, config, 1), 1.0)
        found = samples(metrics_of(Snapshot(1.0, "shop", "h", [view])))
        assert found["bypasses", (("cluster", "target"), ("kind", "early"), ("role", "consumer"))] == 0
        return found["bypasses", labels], found["bypass_records", labels], bypass_lines(view)

    assert seen() == (0, 0, [])
    recorded.bypass()
    assert seen()[:2] == (1, 3)
    assert "straggler producer on the source: topic orders got 3 records" in seen()[2][0]
    recorded.bypass("over")
    assert seen() == (0, 3, [])


def test_what_is_not_known_has_no_value() -> None:
    found = samples(metrics_of(Snapshot(1.0, "shop", "h", [batch_view(BatchFacts(not_begun("orders")), 1.0)])))
    assert found["run_state", (("state", "not begun"),)] == 1
    names = {name for name, _ in found}
    assert not names & {"mirror_lag_records", "rollback_possible_until_timestamp_seconds", "figures_timestamp_seconds"}


def test_a_name_with_quotes_stays_one_label() -> None:
    text = metrics_of(Snapshot(1.0, 'a"b\n', "h", [batch_view(BatchFacts(not_begun("orders")), 1.0)]))
    assert {s.labels["plan"] for f in text_string_to_metric_families(text.decode()) for s in f.samples} == {'a"b\n'}


def queries(value: Any) -> Iterable[str]:
    """Return the queries of a dashboard."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name in ("expr", "query") and isinstance(each, str):
                yield each
            else:
                yield from queries(each)
    elif isinstance(value, list):
        for each in value:
            yield from queries(each)


def unknown(dashboard: Any) -> set[str]:
    used = {name for query in queries(dashboard) for name in NAME.findall(query)}
    return {name for name in used if name.removeprefix(PREFIX) not in METRICS}


def test_each_metric_of_the_dashboard_exists_and_has_the_labels() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    assert len([query for query in queries(dashboard) if NAME.search(query)]) > 12
    assert unknown(dashboard) == set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                (name, *_) = NAME.findall(target["expr"])
                assert label in ("plan", "batch", *METRICS[name.removeprefix(PREFIX)][1]), target


def test_a_metric_that_does_not_exist_is_found() -> None:
    assert unknown({"panels": [{"targets": [{"expr": f"{PREFIX}nonsense > 1"}]}]}) == {f"{PREFIX}nonsense"}


def test_the_documentation_lists_each_metric() -> None:
    text = (DASHBOARD.parent / "watching.md").read_text()
    assert [name for name in METRICS if f"`{name}`" not in text] == []

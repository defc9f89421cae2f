"""A snapshot as metrics for Prometheus. docs/grafana-dashboard.json uses these names."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily

from cutover_harness.cutover.bypassing import BypassSeen
from cutover_harness.watching.views import BatchView, Snapshot

PREFIX = "kafka_cutover_"
STATES = ("not begun", "begun", "completed", "completed in part", "back on the source")
_BYPASS = ("kind", "role", "cluster")
KINDS = (
    ("straggler", "producer", "source"),
    ("straggler", "consumer", "source"),
    ("early", "producer", "target"),
    ("early", "consumer", "target"),
)
"""Bypasses on the way to the target; those of the way back are shown once they are there."""
METRICS: dict[str, tuple[str, tuple[str, ...]]] = {
    "stage": ("Stage of the documented procedure, 0 to 7.", ()),
    "run_state": ("1 for what the batch is now.", ("state",)),
    "conductor_running": ("Whether a conductor works on the batch.", ()),
    "stopped": ("Whether the run stopped before its end, at a gate or with its conductor.", ()),
    "steps_left": ("Steps that are not done.", ()),
    "gate_state": ("1 for the state of a gate: passed, waiting or missed.", ("step", "gate", "state")),
    "gate_wait_seconds": ("How long a gate is or was waited for.", ("step", "gate")),
    "gate_deadline_seconds": ("How long a gate that is waited for may make no progress.", ("step", "gate")),
    "mirror_lag_records": ("Records of the source that are not on the target yet.", ()),
    "clients_expected": ("Clients on the shim that the plan names.", ("role",)),
    "clients_attested": ("Clients on the shim that are where they should be.", ("role",)),
    "blackout_seconds": ("The longest blackout: the current one, or that of the last switch.", ("role", "which")),
    "target_native_records": ("Records that producers have written to the target.", ()),
    "bypasses": ("Producers and groups on a cluster on which they must not be, which close gates.", _BYPASS),
    "bypass_records": ("Records of such producers, and commits of such groups, so far.", _BYPASS),
    "fence_denials": ("ACLs of the run on the source that deny Write to producers that have left it.", ()),
    "approval_pending": ("1 while a step waits for approval.", ()),
    "approval_pending_since_timestamp_seconds": ("When the approval was asked for.", ("step",)),
    "rollback_possible": ("Whether there is a documented way back.", ()),
    "rollback_possible_until_timestamp_seconds": ("When going back gets worse or impossible.", ()),
    "figures_timestamp_seconds": ("When the figures of both clusters were read.", ()),
    "problems": ("How many figures cannot be read now.", ()),
    "lease": ("1 for the state of the lease, with the batch that it was taken for.", ("state",)),
    "lease_until_timestamp_seconds": ("Until when the lease lasts if it is not renewed.", ()),
}
"""By name without the prefix: what it is, and its labels besides plan and batch."""
_LABELS = ("plan", "batch")
Value = tuple[str, tuple[str, ...], float]


def metrics_of(snapshot: Snapshot) -> bytes:
    """Return the metrics in the text format of Prometheus."""
    families = {
        name: GaugeMetricFamily(PREFIX + name, what, labels=(*_LABELS, *labels))
        for name, (what, labels) in METRICS.items()
    }
    for batch in snapshot.batches:
        for name, labels, value in _values(batch, snapshot.at):
            families[name].add_metric((snapshot.plan, batch.progress.name, *labels), value)
    if (lease := snapshot.lease) is not None:
        labels = (snapshot.plan, lease.batch or "")
        families["lease"].add_metric((*labels, lease.state), 1)
        if lease.until is not None:
            families["lease_until_timestamp_seconds"].add_metric(labels, lease.until)
    registry = CollectorRegistry()
    registry.register(_Families(list(families.values())))
    return bytes(generate_latest(registry))


class _Families:
    """What a registry collects."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        """Return the families."""
        return self._families


def _values(batch: BatchView, now: float) -> Iterator[Value]:
    progress = batch.progress
    yield "stage", (), progress.stage
    for state in STATES:
        yield "run_state", (state,), progress.state == state
    yield "conductor_running", (), progress.running
    yield "stopped", (), progress.progress == "begun" and not progress.running
    yield "steps_left", (), len(progress.left)
    yield "approval_pending", (), batch.asked is not None
    if batch.asked is not None:
        yield "approval_pending_since_timestamp_seconds", (batch.asked.step,), batch.asked.since
    yield from _gates(batch, now)
    for labels, its in _bypasses(batch).items():
        yield "bypasses", labels, sum(each.closes for each in its)
        yield "bypass_records", labels, sum(each.count for each in its)
    yield "fence_denials", (), len(progress.fence)
    for role in batch.clients:
        yield "clients_expected", (role.role,), role.expected
        yield "clients_attested", (role.role,), role.attested
    for blackout in batch.blackouts:
        for which, seconds in (("current", blackout.current_s), ("last", blackout.last_s)):
            if seconds is not None:
                yield "blackout_seconds", (blackout.role, which), seconds
    yield "rollback_possible", (), batch.rollback.possible
    known = {
        "mirror_lag_records": batch.lag.records,
        "target_native_records": batch.rollback.native,
        "rollback_possible_until_timestamp_seconds": batch.rollback.until,
        "figures_timestamp_seconds": batch.figures_at,
    }
    for name, value in known.items():
        if value is not None:
            yield name, (), value
    yield "problems", (), len(batch.problems)


def _bypasses(batch: BatchView) -> dict[tuple[str, str, str], list[BypassSeen]]:
    found: dict[tuple[str, str, str], list[BypassSeen]] = {labels: [] for labels in KINDS}
    for each in batch.progress.bypasses:
        found.setdefault((each.kind, each.role, each.cluster), []).append(each)
    return found


def _gates(batch: BatchView, now: float) -> Iterator[Value]:
    for step in batch.steps:
        for gate in step.gates:
            place = (step.name, gate.name)
            yield "gate_state", (*place, gate.state), 1
            waits = gate.state == "waiting" and batch.progress.running
            yield "gate_wait_seconds", place, max(gate.wait_s, now - gate.since) if waits else gate.wait_s
            if gate.deadline_s is not None:
                yield "gate_deadline_seconds", place, gate.deadline_s

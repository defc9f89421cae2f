"""What proves that a batch is complete: its verification, and what was read back. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

from cutover_harness.conductor import verification as gate
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.procedure.names import StepName
from cutover_harness.verify.model import Partition, Verification
from cutover_harness.verify.outcome import of_records

from cutover_reports.performed.model import ReadBack, Verified, VerifiedPartition
from cutover_reports.performed.reading import Line

_ENDS = ("end", "read back", "begin", "continue", "resume", "rollback")


def verified(result: Verification, config: ConductorConfig) -> Verified:
    """Return the comparison; its outcome is that of its partitions, whatever else the file says."""
    outcome, reasons = of_records(result.partitions, sample=result.sample is not None, absent=result.absent)
    return Verified(
        outcome=outcome,
        accepted=outcome == "unproved" and config.accept_unproved,
        began=result.began,
        seconds=result.seconds,
        compared=sum(each.compared for each in result.partitions),
        reasons=reasons,
        partitions=[_partition(each) for each in result.partitions],
    )


def _partition(its: Partition) -> VerifiedPartition:
    outcome, reasons = of_records([its], sample=False)
    # A partition without a record is equal; that no record at all was compared is a reason of the whole.
    if outcome == "unproved" and its.compared == 0 and len(reasons) == 1 and its.source_begin == its.source_end:
        outcome, reasons = "equal", ["the source has no record in it"]
    return VerifiedPartition(
        topic=its.topic,
        partition=its.partition,
        compared=its.compared,
        missing=its.missing.count,
        extra=its.extra.count,
        reordered=its.reordered.count,
        altered=its.altered.count,
        twice=its.twice.count,
        outcome=outcome,
        note="; ".join(reason.removeprefix(f"{its.name}: ") for reason in reasons),
    )


def not_the_gates(result: Verification | None, entries: Sequence[Entry], name: str, plan: str | None) -> str | None:
    """Return why the result is not the one that opened the gate before the mirror was deleted, None if it is.

    Also None if no such gate was passed: then nothing claims that the batch was verified.
    """
    passed = [e for e in entries if e.kind == "gate" and e.name == gate.NAME]
    deleted = [e for e in entries if e.kind == "doing" and e.name == StepName.DELETE_TASK]
    if not passed or not deleted:
        return None
    if result is None:
        return "verify/result.json: is not there, and the journal shows that the batch was verified"
    if result.batch != name or (plan is not None and result.plan_sha256 != plan):
        return f"verify/result.json: is of batch {result.batch} of another plan, or of another batch"
    ids = next((e.detail for e in entries if e.kind == "clusters"), {})
    for cluster, found in (("source", result.source_cluster), ("target", result.target_cluster)):
        if None not in (found, ids.get(cluster)) and found != ids[cluster]:
            return f"verify/result.json: is of another {cluster} cluster (id {found}, in the journal {ids[cluster]})"
    expected = gate.reading(result, accepts_unproved=True)
    if expected.evidence != passed[-1].detail["evidence"]:
        said = expected.evidence or expected.waits_for
        return f"verify/result.json: contains another result ({said}) than the gate passed with"
    return None


def read_back(lines: Sequence[Line]) -> ReadBack | None:
    """Return what was read back after the batch's last end, None if that is not recorded."""
    events = [line for line in lines if line.get("event") in _ENDS]
    if not events or events[-1]["event"] != "read back":
        return None
    line = events[-1]
    parts = {name: [str(each) for each in line.get(name) or ()] for name in ("proved", "wrong", "unknown")}
    return ReadBack(at=str(line["at"]), **parts)

"""What a batch is, and what the whole cutover is, in a word and with the reasons. Pure functions.

A yes needs evidence for everything: the path is done, every partition was compared and is equal, and clients, document
and mirror were read back afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence

from cutover_harness import exit_codes

from cutover_reports import words
from cutover_reports.performed.model import Batch, ReadBack, State, Step, Verdict, Verified

EXIT_CODES: dict[Verdict, int] = {
    "COMPLETE AND VERIFIED": 0,
    "COMPLETE, ACCEPTED UNPROVED": exit_codes.UNPROVED,
    "COMPLETE, NOT PROVED": exit_codes.UNPROVED,
    "INCONCLUSIVE": exit_codes.UNPROVED,
    "UNFINISHED": exit_codes.FAILED,
    "ROLLED BACK": exit_codes.FAILED,
    "CONTRADICTED": exit_codes.FAILED,
}


def completed(verified: Verified | None, found: ReadBack | None, *, gate_passed: bool) -> tuple[State, list[str]]:
    """Return what a batch is whose path is done."""
    if found is not None and found.wrong:
        return "contradicted", [f"read back: {line}" for line in found.wrong]
    if verified is not None and verified.outcome == "different":
        return "contradicted", [f"not equal: {line}" for line in verified.reasons]
    if verified is None or not gate_passed:
        return "complete, not verified", ["no comparison of all records is recorded"]
    if verified.outcome == "unproved" and not verified.accepted:
        return "complete, not verified", [f"not proved: {line}" for line in verified.reasons]
    if found is None or not (found.proved or found.unknown):
        return "complete, not read back", ["nothing shows that clients, document and mirror were read back at the end"]
    if found.unknown:
        return "complete, not read back", [f"not known: {line}" for line in found.unknown]
    if verified.outcome == "unproved":
        return "complete, accepted unproved", [f"a person has accepted: {line}" for line in verified.reasons]
    return "complete and verified", []


def unfinished(steps: Sequence[Step], *, running: bool) -> list[str]:
    """Return where a batch is that has begun, and why it stopped there."""
    left = [step for step in steps if step.state in ("in progress", "stopped", "left")]
    missed = [gate.evidence for step in steps for gate in step.gates if gate.state == "missed"]
    at = f"at step {left[0].name}" if left else "after its last step"
    if running:
        return [f"a conductor works on it, {at}"]
    asked = [approval for step in left for approval in step.approvals[-1:] if approval.approved is None]
    why = missed[-1:] or ([f"{left[0].name} waits for approval"] if asked else ["it was interrupted"])
    stopped = [step.name for step in steps if any(gate.state == "missed" for gate in step.gates)]
    if missed and left and left[0].name not in stopped:
        why = ["it was interrupted"]  # the gate was passed later
    return [f"stopped {at}: {why[0]}"]


def rolled_back(found: ReadBack | None) -> tuple[State, list[str]]:
    """Return what a batch is whose clients were moved back to the source."""
    if found is not None and found.wrong:
        return "contradicted", [f"read back: {line}" for line in found.wrong]
    if found is None:
        return "rolled back", ["nothing shows that clients, document and mirror were read back at the end"]
    return "rolled back", [f"not known: {line}" for line in found.unknown]


def overall(batches: Sequence[Batch], missing: Sequence[str]) -> tuple[Verdict, str]:
    """Return the verdict on all batches of the plan, and its reason in one sentence or two."""
    states = [batch.state for batch in batches]
    word = _word(states, missing)
    if not batches:
        return word, f"Nothing is known of any batch: {missing[0] if missing else 'the plan has none'}."
    good = [batch for batch in batches if batch.state == "complete and verified"]
    if len(good) == len(batches) and word == "COMPLETE AND VERIFIED":
        compared = sum(batch.verified.compared for batch in good if batch.verified is not None)
        partitions = sum(len(batch.verified.partitions) for batch in good if batch.verified is not None)
        return word, (
            f"{words.plural(len(good), 'batch', '', 'es')} on the target: {words.records(compared)} in "
            f"{words.plural(partitions, 'partition')} compared and equal; clients, document and mirror read back."
        )
    first = next((batch for batch in sorted(batches, key=lambda b: _ORDER.index(b.state)) if batch not in good), None)
    counted = f"{len(good)} of {words.plural(len(batches), 'batch', '', 'es')} complete and verified."
    if missing and (first is None or first.state not in ("contradicted", "inconclusive")):
        return word, f"{counted} {_sentence(missing[0])}"
    if first is None:
        return word, counted
    why = f": {first.reasons[0]}" if first.reasons else ""
    return word, f"{counted} Batch {first.name} is {first.state}{why}."


def _word(states: Sequence[State], missing: Sequence[str]) -> Verdict:
    if "contradicted" in states:
        return "CONTRADICTED"
    if missing or "inconclusive" in states or not states:
        return "INCONCLUSIVE"
    if all(state in ("rolled back", "not begun") for state in states) and "rolled back" in states:
        return "ROLLED BACK"
    if any(state in ("rolled back", "unfinished", "not begun") for state in states):
        return "UNFINISHED"
    if any(state in ("complete, not verified", "complete, not read back") for state in states):
        return "COMPLETE, NOT PROVED"
    if "complete, accepted unproved" in states:
        return "COMPLETE, ACCEPTED UNPROVED"
    return "COMPLETE AND VERIFIED"


_ORDER: tuple[State, ...] = (
    "contradicted",
    "inconclusive",
    "rolled back",
    "unfinished",
    "not begun",
    "complete, not verified",
    "complete, not read back",
    "complete, accepted unproved",
    "complete and verified",
)


def _sentence(text: str) -> str:
    return text if text.endswith(".") else f"{text}."

"""The time line of a journal claims no step that is not known to be done."""

from cutover_harness.conductor.timeline import timeline
from cutover_harness.procedure.entries import Entry, Kind
from cutover_harness.procedure.names import StepName

CREATE, STOP = StepName.CREATE_TASK, StepName.STOP_CONSUMERS


def entry(time_ns: int, kind: Kind, step: int, name: str, **detail: object) -> Entry:
    return Entry(time_ns, time_ns, kind, step, name, detail)


def shown(*last: Entry) -> dict[str, str]:
    entries = [entry(1, "doing", 0, CREATE), entry(2, "done", 0, CREATE), entry(3, "doing", 1, STOP), *last]
    found = timeline(entries, ["g"])
    return {mark.name: mark.detail for mark in found.marks if mark.kind == "step"}


def test_a_step_that_is_done_is_shown_without_a_remark() -> None:
    assert shown(entry(4, "done", 1, STOP)) == {CREATE: "", STOP: ""}


def test_a_step_that_was_begun_when_the_path_was_turned_back_is_shown_as_such() -> None:
    back = entry(4, "back", -1, "back to the source", acts=["consumers-to-source"])
    assert shown(back) == {CREATE: "", STOP: "begun, and not known to be done when the path was turned back"}


def test_a_step_that_was_begun_last_is_not_shown() -> None:
    assert shown() == {CREATE: ""}

"""`--resume` with other options than before: the refusal names in words what differs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.options import RecordOptions, Shard, differences
from cutover_harness.capture.parts import Parts, State
from cutover_harness.capture.recorder import Recorder

BEGUN = RecordOptions(("orders", "pay*"), ("pay.old",), read_committed=True, mask="values", shard=Shard(1, 2))


@pytest.mark.parametrize(
    ("now", "words"),
    [
        (BEGUN, []),
        (
            RecordOptions(("orders",), ("pay.old",), read_committed=True, mask="values", shard=Shard(1, 2)),
            ["topics orders, pay* (now topics orders)"],
        ),
        (
            RecordOptions(("orders", "pay*"), read_committed=False, mask="all"),
            [
                "--exclude pay.old (now no --exclude)",
                "--read-committed (now no --read-committed)",
                "--mask values (now --mask all)",
                "--shard 1/2 (now no --shard)",
            ],
        ),
    ],
)
def test_differences_in_words(now: RecordOptions, words: list[str]) -> None:
    assert differences(BEGUN.asked(), now.asked()) == words
    assert len(differences(now.asked(), BEGUN.asked())) == len(words)


def test_the_refusal_of_a_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClusterView, "connect", lambda _client: None)
    out = tmp_path / "a.parquet"
    state = State(BEGUN.asked(), time.time(), "")
    parts = Parts(out)
    parts.create(state)
    parts.save(state)
    with pytest.raises(CaptureError) as refused:
        Recorder({}, out, RecordOptions(("orders",))).record(resume=True)
    message = str(refused.value)
    assert message.startswith(
        f"capture {out}: was begun with topics orders, pay* (now topics orders); --exclude pay.old"
    )
    assert message.endswith("(now no --shard): repeat what it was begun with, or record into another file")
    assert "{" not in message

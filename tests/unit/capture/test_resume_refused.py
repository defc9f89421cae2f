"""`--resume` with other options than before: the refusal names in words what differs."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from cutover_harness.capture import CaptureInfo, CaptureWriter, TopicInfo, record_batch
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.capture.format import CaptureError
from cutover_harness.capture.options import RecordOptions, Shard, differences
from cutover_harness.capture.parts import Parts, State
from cutover_harness.capture.recorder import Recorder

ROW = record_batch(["orders"], [0], [0], [1], [1], [None], [b"x"], [None])
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


@pytest.mark.parametrize("unfinished", [True, False])
@pytest.mark.parametrize("connects", [True, False])
def test_a_refusal_changes_nothing_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfinished: bool, connects: bool
) -> None:
    out = tmp_path / "a.parquet"
    state = State(BEGUN.asked(), time.time(), CaptureInfo("2026-01-01", {"orders": TopicInfo(1)}).to_json())
    if unfinished:
        parts = Parts(out)
        parts.create(state)
        with CaptureWriter(out, partial=parts.folder / "000000.parquet") as writer:
            writer.write(ROW)
            state.length = writer.checkpoint()
            parts.save(state)
            content = (parts.folder / "000000.parquet").read_bytes()
        (parts.folder / "000000.parquet").write_bytes(content + b"more")
    else:
        with CaptureWriter(out) as writer:
            writer.write(ROW)
            writer.close(CaptureInfo("2026-01-01", {"orders": TopicInfo(1)}, notes={"resume": state.to_json()}))

    def on_disk() -> dict[Path, bytes | None]:
        return {path: path.read_bytes() if path.is_file() else None for path in sorted(tmp_path.rglob("*"))}

    before = on_disk()
    monkeypatch.setattr(ClusterView, "connect", lambda _client: Gone())
    # Other options are refused, and so are topics that the cluster does not have.
    with pytest.raises(CaptureError, match="has no topic" if connects else "was begun with"):
        Recorder({}, out, BEGUN if connects else RecordOptions(("orders",))).record(resume=True)
    assert on_disk() == before


class Gone:
    """A cluster without the topics."""

    def partitions(self, *_: object) -> dict[str, int]:
        raise CaptureError("cluster h:1: has no topic 'orders'")

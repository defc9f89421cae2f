"""What `--resume` continues from: log ends, finished pieces, and checkpoints of the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.inputs import read_text_input
from cutover_harness.types import PartitionId
from cutover_harness.verify.clusters import Logs
from cutover_harness.verify.piece import Checkpoint, Piece, PieceResult
from cutover_harness.verify.pieces import grown

_LIMIT = 512 << 20


class Identity(BaseModel):
    """What has to be the same when a verification is resumed."""

    model_config = ConfigDict(frozen=True)

    plan_sha256: str
    batch: str
    source_cluster: str | None
    target_cluster: str | None
    share: float | None
    seed: int | None
    natives: str


class State(BaseModel):
    """The file. Digests of records are in it, keys and values are not."""

    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    format: int = 1
    identity: Identity
    began: str
    seconds: float
    pieces: list[Piece]
    results: dict[int, PieceResult] = {}
    checkpoints: dict[int, Checkpoint] = {}


_ADAPTER = TypeAdapter(State)


def write_state(path: Path, state: State) -> None:
    """Replace the file."""
    write_atomic(path, _ADAPTER.dump_json(state).decode(), mode=PRIVATE)


def read_state(path: Path, identity: Identity, partitions: Collection[PartitionId], *, seeded: bool = True) -> State:
    """Return the state of an interrupted verification. Raises UsageError if it is another one's.

    partitions: those that the source has now. Without `seeded` the state's seed is as good as any.
    """
    try:
        state = _ADAPTER.validate_json(read_text_input(path, "--resume", _LIMIT))
    except ValidationError:
        raise UsageError(f"--resume {path}: is no state of a verification: begin again without --resume") from None
    checked = identity if seeded else identity.model_copy(update={"seed": state.identity.seed})
    changed = _changed(checked.model_dump(), state.identity.model_dump())
    if changed is not None:
        raise UsageError(f"--resume {path}: {changed}: begin again without --resume")
    if {piece.partition for piece in state.pieces} != set(partitions):
        raise UsageError(
            f"--resume {path}: the source has other topics or partitions of the batch now: begin again without --resume"
        )
    return state


def refuse_grown(path: Path, pieces: Sequence[Piece], logs: Mapping[PartitionId, Logs]) -> None:
    """Raise UsageError if the source has records behind the pieces of a state, which compare none of them."""
    if more := grown(pieces, logs):
        topic, number = more[0]
        raise UsageError(f"--resume {path}: {topic}-{number} has got records since: begin again without --resume")


def _changed(now: Mapping[str, object], then: Mapping[str, object]) -> str | None:
    words = {
        "plan_sha256": "the plan file has changed since",
        "batch": "it is of another batch",
        "source_cluster": "the source is another cluster",
        "target_cluster": "the target is another cluster",
        "share": "it had another --sample",
        "seed": "it had another --seed",
        "natives": "the log ends of the run have changed since",
    }
    return next((words[name] for name in now if now[name] != then[name]), None)

"""The file that a verification is resumed from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.verify.model import Verification
from cutover_harness.verify.piece import Checkpoint, Piece, PieceResult
from cutover_harness.verify.rows import entry
from cutover_harness.verify.state import Identity, State, read_state, write_state
from cutover_harness.verify.tally import Findings, Held
from cutover_harness.verify.walk import Walk

from tests.unit.verify.logs import Driver, log, record

THERE = {("orders", 1)}
ROOT = Path(__file__).parents[3]


def identity(**more: object) -> Identity:
    its: dict[str, object] = {
        "plan_sha256": "0" * 64,
        "batch": "b",
        "source_cluster": "s",
        "target_cluster": "t",
        "share": None,
        "seed": None,
        "natives": "none",
    }
    return Identity.model_validate(its | more)


def state() -> State:
    found = Findings(compared=5)
    found.missing.add(3, None, "abc")
    digest = entry(1, record(1)).digest
    held = Held(9, digest, "0f")
    piece = Piece(0, ("orders", 1), 0, 10, 0, 10, native_from=7)
    return State(
        identity=identity(),
        began="now",
        seconds=1.5,
        pieces=[piece],
        results={3: PieceResult(found, ("note",), None, 10, 100)},
        checkpoints={0: Checkpoint(4, 5, False, found, (held,), ())},
    )


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "state"
    write_state(file, state())
    assert read_state(file, identity(), THERE) == state()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"plan_sha256": "1" * 64}, "the plan file has changed since"),
        ({"batch": "c"}, "it is of another batch"),
        ({"source_cluster": "x"}, "the source is another cluster"),
        ({"target_cluster": "x"}, "the target is another cluster"),
        ({"share": 0.5}, "it had another --sample"),
        ({"seed": 5}, "it had another --seed"),
        ({"natives": "x"}, "the log ends of the run have changed since"),
    ],
)
def test_the_state_of_another_verification_is_refused(tmp_path: Path, changed: dict[str, object], words: str) -> None:
    file = tmp_path / "state"
    write_state(file, state())
    with pytest.raises(UsageError, match=f"{words}: begin again without --resume"):
        read_state(file, identity(**changed), THERE)


@pytest.mark.parametrize("there", [{("orders", 1), ("orders", 2)}, set()])
def test_partitions_that_are_not_in_the_state_are_not_passed_over(tmp_path: Path, there: set[tuple[str, int]]) -> None:
    file = tmp_path / "state"
    write_state(file, state())
    with pytest.raises(UsageError, match="other topics or partitions of the batch now: begin again"):
        read_state(file, identity(), there)


def test_without_a_chosen_seed_any_will_do(tmp_path: Path) -> None:
    file = tmp_path / "state"
    write_state(file, state())
    assert read_state(file, identity(seed=5), THERE, seeded=False).identity.seed is None


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}'])
def test_a_damaged_state_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "state"
    file.write_text(content)
    with pytest.raises(UsageError, match="is no state of a verification"):
        read_state(file, identity(), THERE)


def test_a_walk_continues_from_a_checkpoint() -> None:
    rows = [record(n) for n in range(4_000)]
    late = 1_000
    target = [*rows[:late], *rows[late + 1 : 3_000], rows[late], *rows[3_000:]]
    first = Walk()
    source_log, target_log = log(rows), log(target)
    driver = Driver(first, source_log[:2_000], target_log[:1_999])
    driver.run()
    assert first.source_at == 2_000
    again = Walk(found=Findings(compared=1_999))
    again.restore(2_000, 1_999, [Held(late, entry(late, rows[late]).digest, None)], [])
    found = Driver(again, source_log[2_000:], target_log[1_999:]).run()
    assert (found.compared, found.reordered.count, found.missing.count) == (3_999, 1, 0)
    assert found.reordered.first[0].source == late


def test_the_documented_schema_is_the_models() -> None:
    documented = json.loads((ROOT / "docs" / "verify.schema.json").read_text(encoding="utf-8"))
    assert documented == Verification.model_json_schema(), (
        "python -m cutover_harness.verify.model > docs/verify.schema.json"
    )

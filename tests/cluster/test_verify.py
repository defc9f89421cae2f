"""`kafka-cutover verify` on real brokers: planted faults are found exactly, and nothing else."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Producer
from cutover_harness.admin import Admin
from cutover_harness.conductor.journal import Journal
from cutover_harness.mirror import ExactOffset, ExactResume
from cutover_harness.testbed import ProcessTestbed
from cutover_harness.verify.clusters import Logs
from cutover_harness.verify.pieces import Sample, segments

from tests.cluster.traffic import eventually, mirroring, produce, produce_transactions, wait_drained

PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "verify"]
Row = tuple[bytes, bytes, list[tuple[str, str | bytes | None]], int]
PARTITIONS = 6


def rows(partition: int, count: int) -> list[Row]:
    return [
        (b"key-%d" % (n % 50), b"value-%d-%d" % (partition, n), [("n", b"%d" % n)], 1_700_000_000_000 + n)
        for n in range(count)
    ]


def write(config: Mapping[str, str], topic: str, partition: int, content: Iterable[Row]) -> None:
    producer = Producer({**config, "enable.idempotence": True, "linger.ms": 5})
    for key, value, headers, time_ms in content:
        if len(producer) > 50_000:
            producer.flush(30)
        producer.produce(topic, value, key, partition=partition, headers=headers, timestamp=time_ms)
    assert producer.flush(30) == 0


class Case:
    """A plan of one batch in a folder, and the command on it."""

    def __init__(
        self, bed: ProcessTestbed, folder: Path, topics: str, groups: Sequence[str] = (), batch: str = "b"
    ) -> None:
        self.folder, self.plan, self.batch = folder, folder / "plan.yaml", batch
        for name, cluster in (("source", bed.source), ("target", bed.target)):
            text = "".join(f"{key}={value}\n" for key, value in cluster.client_config().items())
            (folder / f"{name}.properties").write_text(text)
        listed = ", ".join(f"{group}: {{moves: shim}}" for group in groups)
        self.plan.write_text(
            "format: 1\nname: shop\n"
            "clusters:\n  source: {properties: source.properties}\n  target: {properties: target.properties}\n"
            f"batches:\n  - {{name: {batch}, path: in-process, topics: ['{topics}'], groups: {{{listed}}}}}\n"
        )

    def command(self, *options: str) -> list[str]:
        return [*PROGRAM, str(self.plan), "--batch", self.batch, *options]

    def run(self, *options: str) -> tuple[int, dict[str, Any]]:
        done = subprocess.run(
            self.command("--json", *options), capture_output=True, text=True, check=False, timeout=120
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def refused(self, *options: str) -> str:
        """Return what the command says when it ends with 2."""
        done = subprocess.run(self.command(*options), capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr


def found(result: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what was found in each partition with a difference, without what is zero."""
    kinds = ("missing", "extra", "reordered", "altered", "twice")
    its = {}
    for each in result["partitions"]:
        counts = {kind: each[kind] for kind in kinds if each[kind]["count"]}
        if counts:
            its[f"{each['topic']}-{each['partition']}"] = counts
    return its


def test_five_planted_faults_are_found_exactly(testbed: ProcessTestbed, tmp_path: Path) -> None:
    topic, count = "verify-faults", 3_000
    source, target = testbed.source.client_config(), testbed.target.client_config()
    for config in (source, target):
        Admin(config).create_topics({topic: PARTITIONS})
    for partition in range(PARTITIONS):
        its = rows(partition, count)
        write(source, topic, partition, its)
        match partition:
            case 0:  # missing
                its = its[:1_000] + its[1_001:]
            case 1:  # extra
                its = [*its[:500], (b"foreign", b"x", [], 1_700_000_000_000), *its[500:]]
            case 2:  # two that changed places
                its[700], its[701] = its[701], its[700]
            case 3:  # altered
                its[2_000] = (its[2_000][0], b"other", *its[2_000][2:])
            case 4:  # short
                its = its[:-25]
        write(target, topic, partition, its)
    case = Case(testbed, tmp_path, topic)
    code, result = case.run()
    assert code == 1
    assert result["outcome"] == "different"
    key = {n: "".join(_hash(b"key-%d" % (n % 50))) for n in (1_000, 2_000)}
    counts = found(result)
    assert counts.keys() == {f"{topic}-{n}" for n in range(5)}
    assert counts[f"{topic}-0"] == {
        "missing": {"count": 1, "first": [{"source": 1_000, "target": None, "key": key[1_000]}]}
    }
    assert counts[f"{topic}-1"] == {
        "extra": {"count": 1, "first": [{"source": None, "target": 500, "key": _hash(b"foreign")}]}
    }
    assert counts[f"{topic}-2"].keys() == {"reordered"}
    assert counts[f"{topic}-2"]["reordered"]["count"] == 1
    assert counts[f"{topic}-2"]["reordered"]["first"][0]["source"] in (700, 701)
    assert counts[f"{topic}-3"] == {
        "altered": {"count": 1, "first": [{"source": 2_000, "target": 2_000, "key": key[2_000]}]}
    }
    assert counts[f"{topic}-4"].keys() == {"missing"}
    assert counts[f"{topic}-4"]["missing"]["count"] == 25
    assert [each["source"] for each in counts[f"{topic}-4"]["missing"]["first"]] == list(range(2_975, 2_985))
    compared = {each["partition"]: each["compared"] for each in result["partitions"]}
    assert compared == {0: 2_999, 1: 3_000, 2: 2_999, 3: 2_999, 4: 2_975, 5: 3_000}
    file = tmp_path / "plan.verify-b.json"
    assert json.loads(file.read_text()) == result
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert "value-" not in text
    assert "foreign" not in text
    assert not list(tmp_path.glob("*.state"))


def _hash(key: bytes) -> str:
    return hashlib.sha256(key).hexdigest()[:12]


def both(testbed: ProcessTestbed, topic: str, partitions: int, config: Mapping[str, str] | None = None) -> None:
    for cluster in (testbed.source, testbed.target):
        Admin(cluster.client_config()).create_topics({topic: partitions}, config)


def test_a_mirrored_batch_is_equal_and_its_groups_are_proved(testbed: ProcessTestbed, tmp_path: Path) -> None:
    topic, at_end, lagging = "verify-clean", "verify-at-end", "verify-lagging"
    source, target = Admin(testbed.source.client_config()), Admin(testbed.target.client_config())
    source.create_topics({topic: 3})
    with mirroring(testbed, topic, [at_end, lagging]) as mirror:
        for part in range(3):
            produce(testbed.source.client_config(), topic, range(1_000 * part, 1_000 * part + 1_000))
        produce_transactions(testbed.source.client_config(), topic, 12)
        ends = source.end_offsets([topic])
        source.set_committed(at_end, ends)
        source.set_committed(lagging, {partition: end // 2 for partition, end in ends.items()})
        wait_drained(mirror)
        assert eventually(lambda: target.committed(at_end).keys() == ends.keys())
        exact = {row.partition: row for row in ExactCase(testbed).compute(lagging, topic, mirror.offset_syncs())}
        target.set_committed(lagging, {(topic, n): row.target_offset or 0 for n, row in exact.items()})
        case = Case(testbed, tmp_path, topic, [at_end, lagging], batch=topic)
        code, result = case.run()
        assert (code, result["outcome"], result["reasons"]) == (0, "equal", []), result["reasons"]
        assert sum(each["compared"] for each in result["partitions"]) == 3_000 + 8 * 20, "without aborted ones"
        assert found(result) == {}
        assert {(each["group"], each["proved"]) for each in result["groups"]} == {(at_end, True), (lagging, True)}
        assert len(result["groups"]) == 6

        moved = (topic, 0)
        target.set_committed(lagging, {moved: (exact[0].target_offset or 0) - 7})
        code, result = case.run()
        assert (code, result["outcome"]) == (1, "different")
        wanted = exact[0].target_offset or 0
        reason = f"would read 7 offsets again from {wanted - 7} on; it should be {wanted}"
        assert result["reasons"] == [f"group {lagging} in {topic}-0: {reason}"]


class ExactCase:
    """Exact offsets, as the conductor sets them."""

    def __init__(self, bed: ProcessTestbed) -> None:
        self._bed = bed

    def compute(self, group: str, topic: str, syncs: Any) -> list[ExactOffset]:
        config = self._bed.source.client_config(), self._bed.target.client_config()
        with ExactResume(*config) as exact:
            rows = exact.compute(group, [topic], syncs)
        assert all(row.proved for row in rows), rows
        return rows


def test_records_of_applications_on_the_target_are_told_apart_by_the_runs_journal(
    testbed: ProcessTestbed, tmp_path: Path
) -> None:
    topic = "verify-natives"
    both(testbed, topic, 2)
    ends = []
    for partition in range(2):
        its = rows(partition, 400)
        write(testbed.source.client_config(), topic, partition, its)
        write(testbed.target.client_config(), topic, partition, its)
        write(testbed.target.client_config(), topic, partition, rows(9, 30))
        ends.append([topic, partition, 400])
    case = Case(testbed, tmp_path, topic)
    code, result = case.run()
    assert (code, result["outcome"]) == (3, "unproved")
    assert [each["after"] for each in result["partitions"]] == [30, 30]
    assert "--until-ends" in result["reasons"][0]
    folder = tmp_path / "plan.run" / "batches" / "b"
    folder.mkdir(parents=True)
    journal = Journal(folder / "journal.sqlite")
    journal.write("ends", 5, "target", offsets=ends)
    journal.close()
    code, result = case.run()
    assert (code, result["outcome"], result["reasons"]) == (0, "equal", [])
    assert [each["native_from"] for each in result["partitions"]] == [400, 400]
    write(testbed.source.client_config(), topic, 1, rows(7, 1))  # a producer that has not moved
    code, result = case.run()
    assert code == 1
    assert found(result).keys() == {f"{topic}-1"}
    assert found(result)[f"{topic}-1"]["missing"]["first"][0]["source"] == 400
    other = tmp_path / "other"
    other.mkdir()
    assert "contains no journal.sqlite" in case.refused("--until-ends", str(other))


def test_records_that_a_restarted_mirror_repeats_are_counted_as_such(testbed: ProcessTestbed, tmp_path: Path) -> None:
    topic = "verify-twice"
    both(testbed, topic, 2)
    for partition in range(2):
        its = rows(partition, 30_000)
        write(testbed.source.client_config(), topic, partition, its)
        # The last 4,000 records, or all of them from the beginning, as by a connector with another name.
        repeated = its[21_000:25_000] if partition else its
        write(testbed.target.client_config(), topic, partition, [*its[:25_000], *repeated, *its[25_000:]])
    code, result = Case(testbed, tmp_path, topic).run()
    assert code == 1
    kinds = found(result)
    assert [each["compared"] for each in result["partitions"]] == [30_000, 30_000]
    assert kinds.keys() == {f"{topic}-0", f"{topic}-1"}
    assert kinds[f"{topic}-1"].keys() == {"twice"}
    assert kinds[f"{topic}-1"]["twice"]["count"] == 4_000
    assert kinds[f"{topic}-1"]["twice"]["first"][0]["source"] == 21_000
    assert kinds[f"{topic}-1"]["twice"]["first"][0]["target"] == 25_000
    assert {kind: its["count"] for kind, its in kinds[f"{topic}-0"].items()} == {"twice": 30_000}


@pytest.mark.parametrize("side", ["source", "target"])
def test_what_retention_has_removed_is_named_and_never_proved(
    testbed: ProcessTestbed, tmp_path: Path, side: str
) -> None:
    topic = f"verify-retention-{side}"
    both(testbed, topic, 1)
    for cluster in (testbed.source, testbed.target):
        write(cluster.client_config(), topic, 0, rows(0, 1_000))
    cluster = testbed.source if side == "source" else testbed.target
    Admin(cluster.client_config()).delete_records({(topic, 0): 300})
    code, result = Case(testbed, tmp_path, topic).run()
    assert (code, result["outcome"]) == (3, "unproved")
    its = result["partitions"][0]
    assert its["compared"] == 700
    assert found(result) == {}
    assert its["removed_source" if side == "source" else "removed_target"] == 300
    assert "retention has removed" in result["reasons"][0]


def test_a_sample_says_that_it_is_one_and_finds_what_is_in_it(testbed: ProcessTestbed, tmp_path: Path) -> None:
    topic = "verify-sample"
    both(testbed, topic, 2)
    for partition in range(2):
        its = rows(partition, 20_000)
        write(testbed.source.client_config(), topic, partition, its)
        if partition:
            its = [row for n, row in enumerate(its) if n % 400 != 7]
        write(testbed.target.client_config(), topic, partition, its)
    case = Case(testbed, tmp_path, topic)
    code, result = case.run("--sample", "10%", "--seed", "4")
    assert (code, result["outcome"]) == (1, "different")
    assert result["sample"] == {"share": 0.1, "seed": 4}
    assert found(result).keys() == {f"{topic}-1"}
    assert found(result)[f"{topic}-1"].keys() == {"missing"}
    assert found(result)[f"{topic}-1"]["missing"]["count"] == result["partitions"][1]["offsets"] // 400
    assert all(each["source"] % 400 == 7 for each in found(result)[f"{topic}-1"]["missing"]["first"])
    assert [each["offsets"] for each in result["partitions"]] == [2_000, 2_000]
    whole = case.run("--sample", "10%", "--seed", "4")[1]
    assert whole["partitions"] == result["partitions"], "the seed repeats it"
    folder = tmp_path / "clean"
    folder.mkdir()
    same = "verify-sample-clean"
    both(testbed, same, 1)
    for cluster in (testbed.source, testbed.target):
        write(cluster.client_config(), same, 0, rows(0, 20_000))
    clean, logs = Case(testbed, folder, same), Logs(0, 20_000, 20_000, 0, 20_000)
    ends: dict[int, int] = {}
    for seed in range(200):
        (piece,) = segments(0, (same, 0), logs, (), None, Sample(0.05, seed))
        ends.setdefault(piece.source_end, seed)
    for end in (1_000, 10_000, 20_000):  # the first, a middle, and the last segment
        code, result = clean.run("--sample", "5%", "--seed", str(ends[end]))
        assert (code, result["outcome"]) == (3, "unproved")
        assert result["reasons"] == ["a sample: 1,000 of 20,000 source offsets were compared"], f"up to offset {end}"


def test_a_topic_that_the_target_lacks_is_missing_as_a_whole(testbed: ProcessTestbed, tmp_path: Path) -> None:
    topic = "verify-absent"
    Admin(testbed.source.client_config()).create_topics({topic: 1})
    write(testbed.source.client_config(), topic, 0, rows(0, 300))
    code, result = Case(testbed, tmp_path, topic).run()
    assert code == 1
    assert found(result)[f"{topic}-0"]["missing"]["count"] == 300
    assert result["partitions"][0]["missing_at_end"] == 300
    assert result["partitions"][0]["notes"] == ["the target does not have the partition"]


def test_compacted_topics_are_compared_by_key_if_compaction_differs_too_much(
    testbed: ProcessTestbed, tmp_path: Path
) -> None:
    """The target lacks 110,000 records in a row, all of them replaced by later ones, and the last one of a key."""
    topic, count, keys = "verify-compacted", 230_000, 4_000
    both(testbed, topic, 1, {"cleanup.policy": "compact", "min.compaction.lag.ms": "9000000000000"})
    every: list[Row] = [(b"k%d" % (n % keys), b"%d" % n, [], 1_700_000_000_000 + n) for n in range(count)]
    write(testbed.source.client_config(), topic, 0, every[:1_000] + every[112_000:])
    lost = count - 2_000
    write(testbed.target.client_config(), topic, 0, [*every[:110_000], *every[222_000:lost], *every[lost + 1 :]])
    code, result = Case(testbed, tmp_path, topic).run()
    its = result["partitions"][0]
    assert (code, its["missing"]["count"]) == (1, 1), result["reasons"]
    assert its["missing"]["first"][0]["source"] == lost - 111_000
    assert its["keys"] is None or its["keys"] == keys


def test_an_interrupted_verification_is_resumed(testbed: ProcessTestbed, tmp_path: Path) -> None:
    topic = "verify-resume"
    both(testbed, topic, 2)
    for partition in range(2):
        its = rows(partition, 40_000)
        write(testbed.source.client_config(), topic, partition, its)
        del its[17 + partition]
        write(testbed.target.client_config(), topic, partition, its)
    case, state = Case(testbed, tmp_path, topic), tmp_path / "plan.verify-b.json.state"
    process = subprocess.Popen(
        case.command("--rate", "100000", "--processes", "1"), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        assert eventually(lambda: state.exists() and json.loads(state.read_text())["checkpoints"])
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=20)
    assert process.returncode == 130
    assert b"continue with --resume" in said
    assert state.stat().st_mode & 0o777 == 0o600
    at = next(iter(json.loads(state.read_text())["checkpoints"].values()))
    assert at["source_at"] > 0
    code, result = case.run("--resume")
    assert code == 1
    assert {name: kinds["missing"]["first"][0]["source"] for name, kinds in found(result).items()} == {
        f"{topic}-0": 17,
        f"{topic}-1": 18,
    }
    assert [each["compared"] for each in result["partitions"]] == [39_999, 39_999]
    assert not state.exists()
    assert "begin without --resume" in case.refused("--resume")


def test_a_cluster_that_does_not_answer_is_an_error_of_one_line(testbed: ProcessTestbed, tmp_path: Path) -> None:
    case = Case(testbed, tmp_path, "verify-no-such-topic")
    assert "the source has no topic of it" in case.refused()
    (tmp_path / "target.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    assert len(case.refused().splitlines()) == 1

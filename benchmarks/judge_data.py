"""A day of production traffic in sealed ledgers, with a known number of anomalies planted in it."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from cutover_harness.judge.model import DrainProof, RunFacts
from cutover_harness.ledger.columns import Columns, Int64
from cutover_harness.ledger.format import ACKED, DELIVERED, META, SEALED, SENT, VERSION
from cutover_harness.ledger.identity import stream_id
from cutover_harness.ledger.reader import note_seal
from cutover_harness.ledger.sealed import checksum, write_sealed

RUN = 7
START_NS = 1_764_000_000_000_000_000
GROUPS = ("billing", "shipping", "audit")
PRODUCERS, MEMBERS = 6, 4
_STEP_NS = 1_000_000
_BATCH = 200


@dataclass(frozen=True)
class Planted:
    """Anomalies that the judge has to find in each group."""

    acked: int
    lost: int
    repeated: int
    reordered: int


def generate(folder: Path, deliveries: int, streams: int = 48, *, seed: int = 1) -> Planted:
    """Write ledgers of 6 producers and of 3 groups with 4 members each: a switchover at 60% of the traffic.

    Each group loses 1 record in 100,000, reads 1% again in runs of 200, as after a crash, and gets 1 in 100,000 late.
    """
    random = np.random.default_rng(seed)
    records = deliveries // len(GROUPS) // streams
    topics = tuple(f"topic-{i}" for i in range(4))
    names = [(i, topics[i % 4], i // 4) for i in range(streams)]
    plan = sorted((stream_id(topic, b"key-%d" % i, p), topic, p) for i, topic, p in names)
    for producer in range(PRODUCERS):
        mine = [each for n, each in enumerate(plan) if n % PRODUCERS == producer]
        _write(folder, f"shop-{producer}", None, topics, (_produced(*each, topics, records, random) for each in mine))
    lost = again = late = 0
    for group in GROUPS:
        orders = [_order(records, random) for _ in plan]
        lost, again, late = (sum(int(order[i]) for order in orders) for i in (1, 2, 3))
        for member in range(MEMBERS):
            parts = (
                _delivered(*each, topics, order[0], member, n, random)
                for n, (each, order) in enumerate(zip(plan, orders, strict=True))
            )
            _write(folder, f"{group}-{member}", group, topics, parts)
    proofs = [DrainProof(group, True, "generated") for group in GROUPS]
    RunFacts(RUN, "benchmark", groups={g: list(topics) for g in GROUPS}, drain=proofs).save(folder / "run.json")
    return Planted(records * streams, lost, again, late)


def _order(records: int, random: np.random.Generator) -> tuple[Int64, int, int, int]:
    """Return the sequences as one group gets them, and how many are lost, read again and late."""
    few = max(1, records // 100_000)
    chosen = random.choice(np.arange(1, records - 1, 3), 2 * few, replace=False)
    lost, late = chosen[:few], chosen[few:]
    order = np.arange(records)
    order[late], order[late + 1] = late + 1, late  # neighbours swapped: the one that was first is late
    order = order[~np.isin(order, lost)]
    swapped_with_lost = np.isin(late + 1, lost)
    starts = np.sort(random.choice(len(order) // _BATCH, max(1, records // 100 // _BATCH), replace=False)) * _BATCH
    parts, before = [], 0
    for start in starts.tolist():
        parts += [order[before : start + _BATCH], order[start : start + _BATCH]]
        before = start + _BATCH
    again = np.concatenate([*parts, order[before:]])
    return again, few, len(again) - len(order), few - int(swapped_with_lost.sum())


def _produced(stream: int, topic: str, partition: int, topics: tuple[str, ...], records: int,
              random: np.random.Generator) -> Columns:  # fmt: skip
    sequence = np.repeat(np.arange(records), 2)
    time = (
        START_NS
        + sequence * _STEP_NS
        + np.tile([0, 400_000], records)
        + np.repeat(random.integers(0, 200_000, records), 2)
    )
    event = np.tile(np.array([SENT, ACKED], np.uint8), records)
    return _columns(event, stream, topics.index(topic), partition, sequence, time, sequence >= 0.6 * records)


def _delivered(stream: int, topic: str, partition: int, topics: tuple[str, ...], order: Int64, member: int,
               number: int, random: np.random.Generator) -> Columns:  # fmt: skip
    """Return the records of one member: each stream moves to the next member after half of the traffic."""
    half = len(order) // 2
    mine = slice(0, half) if number % MEMBERS == member else slice(half, None)
    if (number + 1) % MEMBERS != member and number % MEMBERS != member:
        mine = slice(0, 0)
    place = np.arange(len(order))[mine]
    time = START_NS + place * (_STEP_NS * 99 // 100) + 5_000_000 + random.integers(0, _STEP_NS // 2, len(place))
    event = np.full(len(place), DELIVERED, np.uint8)
    return _columns(event, stream, topics.index(topic), partition, order[mine], time, place >= half)


def _columns(
    event: object, stream: int, topic: int, partition: int, sequence: Int64, time: Int64, target: object
) -> Columns:
    rows = len(sequence)
    return Columns(
        event=np.asarray(event, np.uint8),
        cluster=np.asarray(target, np.uint8),
        topic=np.full(rows, topic, np.uint16),
        partition=np.full(rows, partition, np.int32),
        offset=sequence.astype(np.int64),
        sequence=sequence.astype(np.int64),
        stream=np.full(rows, stream, np.uint64),
        time_ns=time.astype(np.int64),
    )


def _write(folder: Path, instance: str, group: str | None, topics: tuple[str, ...], parts: object) -> None:
    path = folder / "ledger" / instance
    path.mkdir(parents=True)
    role = "producer" if group is None else "consumer"
    meta = {"format": VERSION, "instance": instance, "role": role, "group": group, "run": RUN}
    (path / META).write_text(json.dumps(meta))
    write_sealed(path / SEALED, topics, parts)  # type: ignore[arg-type]
    note_seal(path / META, checksum(path / SEALED))

"""The whole judgement: shards of the streams measured one by one or in parallel, merged, concluded."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce

import numpy as np

from cutover_harness.judge.conclude import conclude
from cutover_harness.judge.model import Judgement, RunFacts
from cutover_harness.judge.partial import Partial
from cutover_harness.judge.shard import Question, judge_shard
from cutover_harness.ledger.reader import Ledgers
from cutover_harness.ledger.sealed import stream_ranges

#: Rows that a worker holds at a time, as long as no single stream has more.
ROWS_AT_ONCE = 1 << 20
_SAMPLE = 1 << 14


def judge(ledgers: Ledgers, facts: RunFacts, *, workers: int | None = None) -> Judgement:
    """Judge a run's ledgers. Memory grows with the longest stream and the number of partitions, not with the run.

    workers: threads to use, one per processor if None.
    """
    question = Question.of(ledgers, facts)
    return conclude(question, measure(question, workers=workers), facts)


def measure(
    question: Question, *, shard: tuple[int, int] = (0, 1), workers: int | None = None, at_once: int = ROWS_AT_ONCE
) -> Partial:
    """Measure shard `i` of `n` of the streams, (i, n) being `shard`.

    Machines that hold the same ledgers can measure a shard each; their results merge to that of all streams.
    """
    return measure_ranges(
        question, plan(question.ledgers, at_once, least=shard[1])[shard[0] :: shard[1]], workers=workers
    )


def measure_ranges(question: Question, ranges: Sequence[tuple[int, int]], *, workers: int | None = None) -> Partial:
    """Measure the streams in some ranges [low, high], which do not overlap."""
    threads = min(workers or os.cpu_count() or 1, len(ranges))
    if threads < 2:
        return reduce(Partial.merge, (judge_shard(question, *each) for each in ranges), Partial())
    with ThreadPoolExecutor(threads) as pool:
        return reduce(Partial.merge, _bounded(pool, question, ranges, threads), Partial())


def plan(ledgers: Ledgers, at_once: int, *, least: int = 1) -> list[tuple[int, int]]:
    """Cut the streams into ranges of about `at_once` rows, at least `least` of them if there are streams enough."""
    rows = sum(instance.rows.count for instance in ledgers.instances)
    if rows <= at_once and least == 1:
        return stream_ranges(np.empty(0, np.uint64), rows, at_once)
    # Each ledger's sample is as dense as any other's: together they show the times of all rows.
    step = max(1, rows // _SAMPLE)
    samples = [instance.rows.sample(max(1, instance.rows.count // step)) for instance in ledgers.instances]
    return stream_ranges(np.concatenate(samples), rows, min(at_once, max(1, rows // least)))


def _bounded(
    pool: ThreadPoolExecutor, question: Question, ranges: Sequence[tuple[int, int]], ahead: int
) -> Iterator[Partial]:
    """Yield results in order with only a few shards in memory at a time."""
    waiting = [pool.submit(judge_shard, question, *each) for each in ranges[:ahead]]
    for each in [*ranges[ahead:], *([None] * ahead)]:
        yield waiting.pop(0).result()
        if each is not None:
            waiting.append(pool.submit(judge_shard, question, *each))

"""`kafka-cutover judge URL... --dask SCHEDULER`: a task for each shard of the streams, results merged as a tree."""

import atexit
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError
from typing import Any

from cutover_harness.errors import UsageError
from cutover_harness.judge.command import show
from cutover_harness.judge.conclude import conclude
from cutover_harness.judge.judging import ROWS_AT_ONCE, plan
from cutover_harness.judge.model import Judgement, Report, RunFacts
from cutover_harness.judge.partial import Partial
from cutover_harness.judge.portable import ledgers_id
from cutover_harness.judge.remote import Copies, Place, open_places
from cutover_harness.judge.shard import Question, judge_shard
from cutover_harness.judge.verdicts import verdict
from cutover_harness.ledger.reader import Ledgers
from cutover_harness.masking import masked

EXTRA = "pip install 'kafka-cutover[dask]'"
#: Results that one task merges.
FAN_IN = 4
_CONNECT_S = 30

#: What a worker has opened, by places: opened once for all of its shards.
_OPENED: dict[tuple[str, ...], tuple[Question, str]] = {}
_LOCK = threading.Lock()
_COPIES = Copies()
atexit.register(_COPIES.close)


def dask_command(urls: Sequence[str], scheduler: str, *, as_json: bool) -> int:
    """Judge the ledgers of one run on a Dask cluster, print the judgement, and return the exit code of its verdict.

    Raises UsageError, without credentials, if the scheduler, a worker or a place does not do its part.
    """
    client = _connected(scheduler)
    places = [Place(url) for url in urls]
    try:
        ledgers, facts = open_places(places, _COPIES)
        known = facts or RunFacts(run=ledgers.run, scenario=places[0].name)
        judgement = judge_on(client, places, ledgers, known, progress=_progress)
    finally:
        client.close()
        _COPIES.close()
    return show({known.scenario: (Report(verdict(judgement, known), judgement), facts)}, as_json=as_json)


def judge_on(client: Any, places: Sequence[Place], ledgers: Ledgers, facts: RunFacts, *, at_once: int = ROWS_AT_ONCE,
             progress: Callable[[int, int], None] | None = None) -> Judgement:  # fmt: skip
    """Judge on the workers of a `distributed.Client`, which read the same places, and conclude here.

    A lost worker's tasks run again on another one. Raises UsageError if a worker cannot read what is read here.
    """
    question = Question.of(ledgers, facts)
    wanted = ledgers_id(ledgers)
    ranges = plan(ledgers, at_once)
    counter = _Counter(len(ranges), progress)
    # `pure=False`: a task's key is no digest of its arguments, and its result never that of an earlier call.
    level = [client.submit(_measure, tuple(places), facts, wanted, each, pure=False) for each in ranges]
    for future in level:
        future.add_done_callback(counter.finished)
    while len(level) > 1:
        level = [
            client.submit(_merge, level[at : at + FAN_IN], pure=False) if at + 1 < len(level) else level[at]
            for at in range(0, len(level), FAN_IN)
        ]
    return conclude(question, _result(level[0]), facts)


class _Counter:
    """Counts finished shards, and lets go of them: a result that is merged need not stay on a worker."""

    def __init__(self, total: int, progress: Callable[[int, int], None] | None) -> None:
        self._lock = threading.Lock()
        self._done = 0
        self._total = total
        self._progress = progress

    def finished(self, future: Any) -> None:
        with self._lock:
            self._done += 1
            if self._progress is not None:
                self._progress(self._done, self._total)
        if self._total > 1:
            future.release()


def _result(root: Any) -> Partial:
    try:
        found: Partial = root.result()
    except UsageError:
        raise
    except CancelledError:
        raise UsageError("--dask: the scheduler has gone away; start it, and judge again") from None
    except Exception as why:  # noqa: BLE001 - whatever ended a task, such as a worker that was killed too often
        raise UsageError(f"--dask: a task failed: {type(why).__name__}: {masked(_line(why)):.300}") from None
    return found


def _measure(places: tuple[Place, ...], facts: RunFacts, wanted: str, bounds: tuple[int, int]) -> Partial:
    """Run on a worker: measure the streams in [low, high]."""
    from distributed import get_worker  # noqa: PLC0415 - an extra

    key = tuple(place.url for place in places)
    with _LOCK:
        _COPIES.below = get_worker().local_directory  # which Dask removes, also after a kill
        if key not in _OPENED or _OPENED[key][1] != wanted:
            ledgers, _ = open_places(places, _COPIES)
            if ledgers_id(ledgers) != wanted:
                _COPIES.close()
                raise UsageError(
                    f"{', '.join(map(repr, places))}: a worker finds other ledgers there than this machine"
                )
            _OPENED.clear()
            _OPENED[key] = Question.of(ledgers, facts), wanted
        question = _OPENED[key][0]
    return judge_shard(question, *bounds)


def _merge(parts: list[Partial]) -> Partial:
    """Run on a worker: merge some results; a worker may need its arguments again, so none of them changes."""
    result = Partial()
    for part in parts:
        result.merge(part)
    return result


def _connected(scheduler: str) -> Any:
    try:
        from distributed import Client  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as missing:
        raise UsageError(f"--dask needs the package {missing.name}: {EXTRA}") from None
    try:
        return Client(scheduler, timeout=_CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, TypeError, ImportError) as why:
        raise UsageError(f"--dask {masked(scheduler)}: no scheduler: {masked(_line(why)):.200}") from None


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        sys.stderr.write(f"\rmeasured {done} of {total} shards{end}")
        sys.stderr.flush()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())

"""From ledgers to measures to a verdict: pure functions, independent of Kafka and of processes."""

from typing import TYPE_CHECKING

from cutover_harness.lazy import lazily

if TYPE_CHECKING:
    from cutover_harness.judge.judging import judge, measure
    from cutover_harness.judge.model import Judgement, RunFacts, Verdict
    from cutover_harness.judge.verdicts import verdict

__all__ = ["Judgement", "RunFacts", "Verdict", "judge", "measure", "verdict"]

__getattr__ = lazily(
    __name__,
    {
        "Judgement": "model",
        "RunFacts": "model",
        "Verdict": "model",
        "judge": "judging",
        "measure": "judging",
        "verdict": "verdicts",
    },
)

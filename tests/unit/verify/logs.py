"""Two logs in memory, and a driver that feeds them to a walk as the worker does."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from cutover_harness.verify.rows import Row
from cutover_harness.verify.tally import Findings
from cutover_harness.verify.walk import Walk

Log = list[tuple[int, Row]]


def record(number: int, key: bytes | None = None, note: str = "") -> Row:
    return (
        key if key is not None else b"k%d" % (number % 7),
        b"value-%d%s" % (number, note.encode()),
        [("n", b"%d" % number)] if number % 3 else None,
        1_000 + number // 2,
    )


def log(rows: list[Row], *, start: int = 0, gaps: random.Random | None = None) -> Log:
    """Return rows at growing offsets; with `gaps` some offsets are left out, as for control records."""
    found, offset = [], start
    for row in rows:
        if gaps is not None and gaps.random() < 0.1:
            offset += gaps.randrange(1, 5)
        found.append((offset, row))
        offset += 1
    return found


@dataclass
class Driver:
    """Feeds both logs in chunks of random sizes."""

    walk: Walk
    source: Log
    target: Log
    dice: random.Random = field(default_factory=lambda: random.Random(1))  # noqa: S311 - repeatable
    most: int = 50
    back: int = 10_000
    rewinds: int = 0
    looks: int = 0

    def run(self) -> Findings:
        at = {"source": 0, "target": 0}
        for _ in range(100_000):
            self.walk.advance()
            if self.walk.rewind is not None:
                self.rewinds += 1
                at["source"] = next(n for n, (offset, _) in enumerate(self.source) if offset >= self.walk.rewind)
                self.walk.rewound()
            elif self.walk.wants_back is not None:
                self.looks += 1
                before = self.source[max(0, at["source"] - self.back) : at["source"]]
                if not self.walk.look_back([o for o, _ in before], [row for _, row in before]):
                    self.walk.not_back()
            elif self.walk.done:
                return self.walk.tally.conclude()
            else:
                fed = False
                for side, content, its, wants in (
                    ("target", self.target, self.walk.target, self.walk.wants_target),
                    ("source", self.source, self.walk.source, self.walk.wants_source),
                ):
                    if wants:
                        chunk = content[at[side] : at[side] + self.dice.randrange(1, self.most)]
                        at[side] += len(chunk)
                        its.feed([o for o, _ in chunk], [row for _, row in chunk])
                        its.ended = at[side] >= len(content)
                        fed = True
                assert fed, "the walk wants nothing and is not done"
        raise AssertionError("the walk does not end")

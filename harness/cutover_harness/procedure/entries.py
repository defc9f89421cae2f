"""Entries of the conductor's journal: what steps and gates note in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

START = -1
"""The step of what happens before the first one."""

Kind = Literal[
    "clusters",
    "step",
    "waits",
    "gate",
    "precondition",
    "lag",
    "ends",
    "copied",
    "resumes",
    "switched",
    "cut",
    "topics",
    "gone",
    "found",
    "published",
    "left",
    "bypass",
    "fence",
    "note",
    "doing",
    "done",
    "flows",
    "ask",
    "answer",
    "missed",
    "back",
    "end",
]
"""clusters: the ids of both clusters; step: begun; waits: what a gate waits for, twice a second, and for how long
all conductors together have waited; gate: passed; doing: written before a step is done, so that after a kill it is
done again (all are idempotent); done: the step and the gates after it; ends: where the target's logs ended when
producers were about to move there; precondition: what a run needs at a step to prove something; flows: clients have
traffic after the step; lag: written by earlier versions; cut: where the target's logs ended when the mirror was
turned around; resumes: the offsets from which groups resume on the target, before their consumers start there;
switched: what clients report of their last change of cluster; topics: the ids of the topics that are mirrored; gone:
records that the source removed before they were mirrored; found: what was on the target before the mirror was
created; left: what was on a cluster when its clients had left it, or before they may be on it; bypass: a client that
is active there nevertheless, and how that stands; fence: ACLs on the source, before they are made and after they
were removed; published: when each channel has got a generation of the cutover file, written again when a channel
gets it late; ask, answer: a request to the process that watches the journal (a fault, a restart of apps), and that
it was done; missed: a gate's deadline; back: the way back that was decided; note: a line for the terminal; end: of
the path, or of the way back."""


@dataclass(frozen=True)
class Entry:
    """One line of the journal; `step` counts from 0 along the path, -1 is before it."""

    id: int
    time_ns: int
    kind: Kind
    step: int
    name: str
    detail: dict[str, Any]

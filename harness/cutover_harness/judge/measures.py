"""Every measure of the judge, once: its name, words, unit, definition, default limit, and Jepsen's name for it.

Expectations, scenario files, policies, reports and the tables of docs/measures.md derive from `MEASURES`.
`python -m cutover_harness.judge.table` prints those tables.
"""

from dataclasses import dataclass
from typing import Final, Literal

ANY: Final = "any"


@dataclass(frozen=True)
class Measure:
    """One measure of the judge.

    name: its key in scenario files, `run.json` and `verdict.json`.
    words: as it reads after a number.
    unit: what is counted; "ms" for a duration.
    definition: Markdown; completes "a record (commit, offset, time) counts if ...", or for a cause "... before".
    limit: the most that a run may show by default; None: any number.
    kind: a count of records, commits or offsets; a cause of duplicate deliveries; a time; or shown, but never limited.
    in_scenario: the limit in a scenario file that sets none; None: as `limit`.
    jepsen: the anomaly's name in `jepsen.tests.kafka`; empty if it has none.
    detail: what makes one record an offender; empty if it lists no records.
    by_partition: whether shards count it for each group, topic and partition.
    once: whether a record counts once, however many groups it concerns: figures of groups are not added up.
    unknown: the reason, in words, if its figure is not known; empty: it is always known.
    column: whether the report's table of scenarios, or that of a scenario's groups alone, has a column of it.
    risk, lowered_by: question of its risk in the report, to which "no" is the good answer, and what lowers the risk;
        empty: no risk of its own. A measure with a risk has a limit in the policy.
    """

    name: str
    words: str
    unit: Literal["records", "deliveries", "commits", "offsets", "ms"]
    definition: str
    limit: int | None
    kind: Literal["count", "cause", "time", "shown"] = "count"
    in_scenario: int | None = None
    jepsen: str = ""
    detail: str = ""
    by_partition: bool = False
    once: bool = False
    unknown: str = ""
    column: Literal["", "groups", "scenarios"] = ""
    risk: str = ""
    lowered_by: str = ""

    @property
    def is_control(self) -> bool:
        """Whether a negative control can be required to violate it: every measure that can have a limit."""
        return self.kind != "shown"

    @property
    def scenario_limit(self) -> int | None:
        """The most that is allowed in a scenario that sets no limit; None: any number."""
        return self.limit if self.in_scenario is None else self.in_scenario


MEASURES: Final = (
    Measure(
        "lost",
        "lost",
        "records",
        "it was acknowledged (and its transaction not aborted), the group should have had its topic, and no member was "
        "ever delivered it, although the group is *proven to have drained*",
        limit=0,
        jepsen="lost-write",
        unknown="{missing} acknowledged records not delivered: lost or not yet read is unknown",
        column="scenarios",
        risk="Are records lost?",
        lowered_by="Move consumers only after the mirror has drained; force acks=all: AutoMQ answers acks=1 before the "
        "upload.",
    ),
    Measure(
        "missing",
        "not delivered",
        "records",
        "the same, whether or not a drain is proven",
        limit=None,
        kind="shown",
        jepsen="unseen",
        detail="acknowledged here, never delivered to the group",
        by_partition=True,
    ),
    Measure(
        "destroyed",
        "destroyed by a fault on purpose",
        "records",
        "a fault of the scenario deleted the topic that held it before the group had read it (`destroyed` in "
        "`run.json`); such records are neither missing nor lost. This includes records of an idempotent producer that "
        "the broker acknowledged as duplicates, without an offset, right after the topic was recreated",
        limit=None,
        kind="shown",
        by_partition=True,
    ),
    Measure(
        "phantom",
        "phantom",
        "records",
        "it was delivered, and no producer logged it; or it carries no identity of this run",
        limit=0,
        detail="delivered, but no producer logged it",
        by_partition=True,
        column="groups",
        risk="Do groups receive records that no producer sent?",
        lowered_by="Mirror with isolation.level=read_committed and keep other writers off the target topics.",
    ),
    Measure(
        "aborted_read",
        "delivered from aborted transactions",
        "records",
        "it was delivered to a group that reads committed records only, and its transaction was aborted",
        limit=0,
        jepsen="G1a",
        detail="delivered, but its transaction was aborted",
        by_partition=True,
    ),
    Measure(
        "reordered",
        "reordered",
        "records",
        "its first delivery to the group came after the first delivery of a later record of its stream",
        limit=0,
        jepsen="nonmonotonic-poll",
        detail="delivered after sequence {overtaker} of the same stream",
        by_partition=True,
        column="scenarios",
        risk="Does the order within a key or partition break?",
        lowered_by="Hold producers until every consumer is on the target and the mirror lag is zero.",
    ),
    Measure(
        "log_order",
        "out of order in the target's log",
        "records",
        "in the target's log it lies behind a later record of its stream and partition, and in the source's log it "
        "does not",
        limit=None,
        jepsen="nonmonotonic-send",
        detail="lies in the target's log behind a later record of the same stream",
        once=True,
    ),
    Measure(
        "stranded",
        "stranded",
        "records",
        "it was acknowledged on a cluster that the producers left for good, and is in no log of the cluster to which "
        "they went",
        limit=0,
        detail="acknowledged here, in no log of the cluster to which the producers went",
        once=True,
        unknown="whether records are stranded is unknown: nothing shows how far the mirror was",
        column="scenarios",
        risk="Do records stay behind on the cluster that was left?",
        lowered_by="Run the reverse mirror from stage 6 on, or turn back before producers move.",
    ),
    Measure(
        "offset_regression",
        "commits that went back",
        "commits",
        "it is below an earlier commit of the group for the same partition and cluster: earlier in the same process's "
        "ledger, or by more than a second in another's",
        limit=None,
        detail="committed below an earlier commit of the group",
    ),
    Measure(
        "gap_unexplained",
        "offsets skipped without an explanation",
        "offsets",
        "it lies between the group's lowest and highest offset of a partition, the group was not delivered it, and no "
        "ledger shows a record there",
        limit=None,
        jepsen="poll-skip",
    ),
    Measure(
        "re_read",
        "re-read",
        "deliveries",
        "from the same offset, partition and cluster",
        limit=None,
        kind="cause",
        in_scenario=0,
        jepsen="nonmonotonic-poll",
        detail="delivered again from the same offset",
        by_partition=True,
    ),
    Measure(
        "re_read_across",
        "re-read across clusters",
        "deliveries",
        "only from another cluster",
        limit=None,
        kind="cause",
        detail="delivered before from the other cluster",
        by_partition=True,
    ),
    Measure(
        "mirrored_twice",
        "mirrored twice",
        "deliveries",
        "from the same cluster at another offset, and no producer had sent it there",
        limit=None,
        kind="cause",
        in_scenario=0,
        jepsen="duplicate",
        detail="a second copy in the log of a cluster to which no producer sent it",
        by_partition=True,
    ),
    Measure(
        "producer_retry",
        "duplicated by a producer's retry",
        "deliveries",
        "from the same cluster at another offset, and a producer had sent it to that cluster",
        limit=None,
        kind="cause",
        in_scenario=0,
        jepsen="duplicate",
        detail="a second copy in the log of a cluster where a producer sent it",
        by_partition=True,
    ),
    Measure(
        "blackout",
        "without an acknowledgement or delivery",
        "ms",
        "no acknowledgement of the fleet, or no delivery to the group, came around a switch",
        limit=None,
        kind="time",
    ),
)

BY_NAME: Final = {measure.name: measure for measure in MEASURES}
#: How each measure reads after a number, in the order in which offenders are listed.
WORDS: Final = {measure.name: measure.words for measure in MEASURES if measure.kind != "time"}
#: Measures that a group has a figure of.
FIGURES: Final = tuple(measure for measure in MEASURES if measure.kind in ("count", "shown"))
#: Measures that are counted for each group and can have a limit of their own.
COUNTS: Final = tuple(measure.name for measure in MEASURES if measure.kind == "count")
#: Why a record reached a group more than once, in the order of `judge.duplicates`.
CAUSES: Final = tuple(measure.name for measure in MEASURES if measure.kind == "cause")
#: Measures that shards count for each group, topic and partition.
BY_PARTITION: Final = tuple(measure.name for measure in MEASURES if measure.by_partition)
#: Measures that a negative control can be required to violate.
CONTROLS: Final = tuple(measure.name for measure in MEASURES if measure.is_control)

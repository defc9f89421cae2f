"""The conductor as a process of its own: `python -m cutover_harness.conductor.process CONFIG.json [--back]`.

With `--lease ID` it looks before each write whether the command that started it still has this lease. It can be killed
at any moment and started again with the same configuration: it resumes from its journal. The configuration holds no
secrets; the clusters' properties are in the cutover file, which keeps them as references.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.conductor.bypass_setup import bypass_watch
from cutover_harness.conductor.conductor import Conductor
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.contexts import Contexts, clients_of, verified_of
from cutover_harness.conductor.journal import Journal
from cutover_harness.conductor.leasing import Hold, stores_of
from cutover_harness.conductor.owner import claim
from cutover_harness.conductor.write_fence import fence_of
from cutover_harness.errors import LeaseLostError, UsageError
from cutover_harness.locks import FileLock
from cutover_harness.procedure.connectors import Connectors
from cutover_harness.procedure.entries import START

COMPLETED, REFUSED, STOPPED, TURNED_BACK, LOST = 0, 2, 4, 5, 6
"""Exit codes: completed; bad input, or an error that ends it; stopped at a gate; back on the source; the lease was
taken over."""


def conduct(config: ConductorConfig, *, back: bool = False, lease: str | None = None) -> int:
    """Run what is left of the path, or back to the source; return the exit code.

    lease: the one that the command holds for it, None for a rehearsal. Raises HeldError while another conductor has
    this journal, and LeaseLostError before the first write after somebody else has taken over.
    """
    with (
        FileLock(config.lock),
        _fence(config, lease) as fence,
        closing(config.writer()) as cutover_file,
    ):
        document = cutover_file.document(cutover_file.generation)
        source, target = config.clusters(document)
        journal = Journal(config.journal)
        clusters = Admin(source), Admin(target)
        _note_clusters(journal, *clusters)
        cutover_file.fence = fence
        cutover_file.note = partial(_note_channels, journal)
        mine = config.refuse_other_run(journal.read()[0].time_ns)
        if config.external:
            claim(config.cutover_file, config.route, mine)
        route = clients_of(config)
        with (
            closing(config.open_statuses(document)) as statuses,
            config.mirror(source, target) as mirror,
            closing(config.connects(clusters[0].cluster_id, clusters[1].cluster_id)) as connect,
            bypass_watch(config, document, route, mirror).running() as bypasses,
        ):
            mirror.fence = fence
            contexts = Contexts(
                route=route,
                steps=config.steps,
                journal=journal,
                cutover_file=cutover_file,
                statuses=statuses,
                mirror=mirror,
                source=clusters[0],
                target=clusters[1],
                gates=config.gates,
                verified=verified_of(config, journal),
                connectors=Connectors(config.connectors, connect) if config.connectors else None,
                write_fence=fence_of(config.fence, config.batch.mirrors, clusters[0], source, journal),
            )
            conductor = Conductor(
                contexts,
                preconditions=config.preconditions,
                traffic_within_s=config.traffic_within_s,
                asks=config.asks,
                asked_within_s=config.asked_within_s,
                approvals=config.approvals,
                on_missed=config.on_missed,
                fence=fence,
                closing=bypasses.closing,
                watched=bypasses.gate,
            )
            if back:
                conductor.turn_back()
            completed = conductor.run()
        if completed:
            return COMPLETED
        return TURNED_BACK if journal.read()[-1].kind == "end" else STOPPED


@contextmanager
def _fence(config: ConductorConfig, lease: str | None) -> Iterator[Callable[[], object]]:
    """Return what raises LeaseLostError unless the lease is still the one that the command holds."""
    if lease is None:
        yield lambda: None
        return
    with closing(Hold(stores_of(config), lease)) as hold:
        hold.check()  # before the channels are opened, which restores what they lack
        yield hold.check


def _note_channels(journal: Journal, generation: int, told: Mapping[str, int], remarks: Sequence[str]) -> None:
    """Note when each channel has got a generation: so much later than this a client has followed it."""
    journal.write("published", START, f"generation {generation}", generation=generation, channels=dict(told))
    for line in remarks:
        journal.write("note", START, line)


def _note_clusters(journal: Journal, source: Admin, target: Admin) -> None:
    """Note which clusters the run began on: `resume` and `rollback` refuse others at the same addresses."""
    if journal.read():
        return
    ids = {}
    for name, cluster in (("source", source), ("target", target)):
        with suppress(KafkaException):  # the gates wait for a cluster that is away
            ids[name] = cluster.cluster_id()
    journal.write("clusters", START, "ids", **{name: found for name, found in ids.items() if found})


def main() -> None:
    """Run the path of the configuration in the first argument; with --back, move everything back to the source."""
    config, options = Path(sys.argv[1]), sys.argv[2:]
    lease = options[options.index("--lease") + 1] if "--lease" in options else None
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the whole group; the tool ends us in order
    try:
        sys.exit(conduct(ConductorConfig.load(config), back="--back" in options, lease=lease))
    except LeaseLostError as why:
        print(" ".join(str(why).split()), file=sys.stderr)
        sys.exit(LOST)
    except (UsageError, KafkaException, OSError) as why:
        print(" ".join(str(why).split()), file=sys.stderr)
        sys.exit(REFUSED)


if __name__ == "__main__":
    main()

"""Which worker of pytest-xdist runs which file, and when: long files first, and brokers next to tests without them.

A test with brokers mostly waits, and most of the others compute. If the workers ran one kind and then the other, the
processors would be idle first and crowded later; and a long file that begins last is waited for by all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadFileScheduling

if TYPE_CHECKING:
    from xdist.workermanage import WorkerController

WITH_SERVICES = ("tests/cluster/", "tests/docker/", "tests/kubernetes/", "tests/browser/")
LONGEST = (
    "tests/cluster/test_source_versions.py",
    "tests/cluster/test_run_connectors.py",
    "tests/cluster/test_rehearse_plan.py",
    "tests/cluster/test_run_plan.py",
    "tests/docker/test_docker_rehearse.py",
    "tests/cluster/test_existing_clusters.py",
    "tests/cluster/test_rehearse.py",
    "tests/cluster/test_plan_of_estate.py",
    "tests/cluster/test_jobs.py",
    "tests/cluster/test_shop_kills.py",
    "tests/cluster/test_run_fence.py",
    "tests/cluster/test_exact_resume.py",
    "tests/cluster/test_mirror.py",
    "tests/cluster/test_several_brokers.py",
    "tests/cluster/test_automq_bed.py",
    "tests/cluster/test_counterexamples.py",
    "tests/cluster/test_verify.py",
    "tests/cluster/test_plugin.py",
    "tests/docker/test_docker_testbed.py",
    "tests/cluster/test_record_replay.py",
    "tests/cluster/test_load.py",
    "tests/cluster/test_preflight_plan.py",
    "tests/cluster/test_control_topic.py",
    "tests/cluster/test_testbed.py",
    "tests/cluster/test_planted_secrets_on_brokers.py",
    "tests/cluster/test_fleet_on_brokers.py",
    "tests/cluster/test_run_bypass_groups.py",
    "tests/kubernetes/test_configmap_fleet.py",
    "tests/cluster/test_conductor_kill.py",
    "tests/cluster/test_class_caches.py",
    "tests/docker/test_docker_versions.py",
    "tests/cluster/test_rehearse_channel.py",
)
"""Files that take about a minute or more, longest first; in another order the tests take longer, but are the same."""
_RANK = {file: number for number, file in enumerate(LONGEST)}
LATE = "tests/kubernetes/"
"""Its API server may still be compiled when the tests begin."""


def has_services(file: str) -> bool:
    """Return whether the tests of a file start brokers, containers, an API server or a browser."""
    return file.startswith(WITH_SERVICES)


def choose(files: Mapping[str, int], *, compute: bool) -> str:
    """Return the file to run next, of files and their numbers of tests.

    compute: whether files without services come first, instead of last. Then long files, and many tests.
    """

    def rank(file: str) -> tuple[bool, bool, int, int]:
        return has_services(file) == compute, file.startswith(LATE), _RANK.get(file, len(_RANK)), -files[file]

    return min(files, key=rank)


class ByKind(LoadFileScheduling):  # type: ignore[misc] # xdist has no types
    """As `--dist loadfile`, by `choose`; of three or more workers the last one begins with files that compute."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        nodes = list(self.assigned_work)
        files = {file: len(tests) for file, tests in self.workqueue.items()}
        self.workqueue.move_to_end(choose(files, compute=len(nodes) > 2 and node is nodes[-1]), last=False)
        super()._assign_work_unit(node)


def scheduler(config: Any, log: Any) -> ByKind | None:
    """Return the scheduler for `--dist loadfile`, None for another distribution."""
    return ByKind(config, log) if config.getvalue("dist") == "loadfile" else None

"""Hooks and fixtures. Heavy imports are deferred until a scenario file, a fixture or an option needs them."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from cutover_harness.testing.session import REHEARSER, SEED, rehearser

if TYPE_CHECKING:
    from cutover_harness.ledger import Ledgers
    from cutover_harness.testbed import ProcessTestbed
    from cutover_harness.testing.results import Result

READ_AT_MOST = 1 << 18
# A path is a list, in either style; a file with another kind of path is no scenario.
KEYS = re.compile(r"^(name|title)\s*:|^(path)\s*:\s*(?:\[|#|$)", re.MULTILINE)


def pytest_configure(config: pytest.Config) -> None:
    """Check the options and claim the folder for the report; workers of xdist leave that to the main process."""
    speed, worker = config.getoption("cutover_speed"), getattr(config, "workerinput", None)
    if speed is not None and not speed > 0:
        raise pytest.UsageError(f"--cutover-speed {speed}: must be above 0")
    config.stash[SEED] = secrets.randbits(31) if worker is None else worker["cutover_seed"]
    if getattr(config.option, "xmlpath", None) and worker is None:
        from cutover_harness.testing.junit import ClassNames  # noqa: PLC0415 - see above

        config.pluginmanager.register(ClassNames(config), "kafka-cutover-junit")
    if config.getoption("cutover_out") is not None and worker is None and not config.getoption("collectonly"):
        from cutover_harness.errors import UsageError  # noqa: PLC0415 - see above
        from cutover_harness.testing.gather import Gatherer  # noqa: PLC0415

        command = shlex.join(["pytest", *map(str, config.invocation_params.args)])
        jobs = getattr(config.option, "numprocesses", None) or 1
        try:
            gatherer = Gatherer(rehearser(config).settings(command=command, jobs=int(jobs)))
        except UsageError as why:
            raise pytest.UsageError(str(why).replace("--out", "--cutover-out", 1)) from None
        config.pluginmanager.register(gatherer, "kafka-cutover-report")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Give a worker of xdist the seed of the session."""
    node.workerinput["cutover_seed"] = node.config.stash[SEED]


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect scenario files."""
    if file_path.suffix not in (".yaml", ".yml") or not looks_like_scenario(file_path):
        return None
    from cutover_harness.testing.items import ScenarioFile  # noqa: PLC0415 - see above

    collector: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
    return collector


def looks_like_scenario(file: Path) -> bool:
    """Return whether a file is a scenario, also a faulty one, without parsing YAML.

    It has name, title and path at the top level, or a path and the name of a step.
    """
    with file.open(encoding="utf-8", errors="replace") as opened:
        text = opened.read(READ_AT_MOST)
    keys = {name or path for name, path in KEYS.findall(text)}
    if "path" not in keys or len(keys) == 3:
        return "path" in keys
    from cutover_harness.procedure.names import StepName  # noqa: PLC0415 - see above

    return any(step in text for step in StepName)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Attach a test's rehearsals to its report, as plain values that xdist can pass between processes."""
    outcome = yield
    known = item.config.stash.get(REHEARSER, None)
    if known is not None and known.fresh:
        report = outcome.get_result()
        report.cutover = [each.plain() for each in known.fresh]
        report.sections += [
            (f"rehearsal of {each.scenario}", each.text) for each in known.fresh if each.text and not each.asserted
        ]
        known.fresh.clear()


def pytest_report_teststatus(report: Any) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
    """Show INCONCLUSIVE if a scenario proved nothing; it counts as failed."""
    rehearsed = getattr(report, "cutover", [])
    if report.failed and any(each["asserted"] and each["outcome"] == "INCONCLUSIVE" for each in rehearsed):
        return "failed", "I", ("INCONCLUSIVE", {"yellow": True})
    return None


@pytest.fixture(scope="session")
def testbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProcessTestbed]:
    """Source cluster, target cluster and Connect as local processes, started once and stopped at the end."""
    from cutover_harness.errors import UsageError  # noqa: PLC0415 - see above
    from cutover_harness.testbed import ProcessTestbed  # noqa: PLC0415

    bed = ProcessTestbed(tmp_path_factory.mktemp("testbed"))
    try:
        bed.start(print)
    except UsageError as why:
        pytest.fail(str(why), pytrace=False)
    try:
        yield bed
    finally:
        bed.stop()


@pytest.fixture(scope="session")
def rehearse(pytestconfig: pytest.Config) -> Callable[..., Result]:
    """Rehearse a scenario (a name from the catalogue, a file, or its content) and return the result.

    Each call runs it on a testbed of its own. `capture` and `speed` default to the options.
    """

    def call(
        scenario: str | Path | Mapping[str, Any], *, capture: Path | None = None, speed: float | None = None
    ) -> Result:
        __tracebackhide__ = True
        from cutover_harness.errors import UsageError  # noqa: PLC0415 - see above

        try:
            return rehearser(pytestconfig).rehearse(scenario, capture=capture, speed=speed)
        except UsageError as why:
            message = str(why)
        # Raised here: the author of the test is not interested in the traceback below.
        raise UsageError(message)

    return call


@pytest.fixture(scope="session")
def ledger(pytestconfig: pytest.Config) -> Callable[[Path | str], Ledgers]:
    """Read the ledgers of a run: `folder`, a path or its text, is the run's, or the folder `ledger` in it.

    A relative one is below the folder in which pytest was started.
    """

    def read(folder: Path | str) -> Ledgers:
        from cutover_harness.ledger import read_ledgers  # noqa: PLC0415 - see above

        given = pytestconfig.invocation_params.dir / folder
        return read_ledgers(given / "ledger" if (given / "ledger").is_dir() else given)

    return read

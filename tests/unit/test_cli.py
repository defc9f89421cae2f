"""Mistakes on the command line: one line on standard error, exit code 2."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cutover_harness.cli.app import run
from cutover_harness.cli.commands import COMMANDS
from cutover_harness.cli.repeat_command import repeat_command
from cutover_harness.plan.catalogue import expanded
from cutover_scenarios import sample_capture

from tests.waiting import running_below


@dataclass(frozen=True)
class Done:
    returncode: int
    stdout: str
    stderr: str


Cli = Callable[..., Done]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    """The command line as in a shell whose working directory is `tmp_path`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///no/engine")
    before = signal.getsignal(signal.SIGTERM)

    def call(*args: str) -> Done:
        monkeypatch.setattr(sys, "argv", ["kafka-cutover", *args])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        said = capsys.readouterr()
        return Done(int(ended.value.code or 0), said.out, said.err)

    yield call
    signal.signal(signal.SIGTERM, before)


BAD_SCENARIO = "name: mine\ntitle: x\npath: [create-task, fly]\n"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["rehearse", "no-such-scenario"], "no scenario is called 'no-such-scenario'"),
        (["rehearse", "--capture", "none.parquet"], "none.parquet: no such file"),
        (["rehearse", "--capture", "bad.yaml"], "not a Parquet file"),
        (["rehearse", "bad.yaml"], "bad.yaml:3: path.1: "),
        (["rehearse", "none.yaml"], "scenario file none.yaml: cannot be read: No such file"),
        (["rehearse", "--out", "bad.yaml"], "--out bad.yaml: is a file"),
        (["rehearse", "--out", "full"], "--out full: is not empty and not an earlier rehearsal's"),
        (["rehearse", "--out", "policed"], "policed/policy.toml:2: limits.losst: "),
        (["rehearse", "--speed", "0"], "--speed 0.0: must be above 0"),
        (["rehearse", "--testbed", "cloud"], "--testbed cloud: not one of"),
        (["rehearse", "--memory", "2g"], "--memory 2g: is for --testbed docker, not for process: leave it out"),
        (["rehearse", "--testbed", "docker", "--source-version", "2.7"], "--source-version 2.7: images are known for"),
        (["rehearse", "--target-ack-delay", "-1"], "--target-ack-delay -1: must be between"),
        (["rehearse", "--ports", "1,2"], "--ports 1,2: three different port numbers"),
        (["rehearse", "--all", "stop-first"], "--all runs the whole catalogue"),
        (["rehearse", "stop-first", "stop-first"], "scenario stop-first is given twice"),
        (["inventory", "--source", "none"], "properties none: cannot be read: No such file"),
        (["inventory", "--source", "bad.yaml"], "bad.yaml, line 1: expected name=value"),
        (["inventory", "--source", "none", "--sample", "-1"], "--sample -1: must be 0 or more"),
        (["inventory", "--source", "none", "--rate", "0"], "--rate 0: must be above 0"),
        (["inventory", "--source", "none", "--stale-days", "nan"], "--stale-days nan: must be above 0"),
        (["inventory", "--source", "none", "-o", "full"], "-o full: is a folder"),
        (["inventory", "--source", "none", "--html", "no/x.html"], "--html no/x.html: its folder does not exist"),
        (["inventory", "--source", "none", "--connect", "http://${NO_SUCH}@x"], "no variable NO_SUCH"),
        (["scenarios", "validate", "bad.yaml"], "bad.yaml:3: path.1: "),
        (["scenarios", "show", "nothing"], "no scenario is called 'nothing'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(tmp_path: Path, cli: Cli, args: list[str], says: str) -> None:
    (tmp_path / "bad.yaml").write_text(BAD_SCENARIO, encoding="utf-8")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").touch()
    (tmp_path / "policed").mkdir()
    (tmp_path / "policed" / "policy.toml").write_text("[limits]\nlosst = 0\n", encoding="utf-8")
    done = cli(*args)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 2, done.stderr
    assert last.startswith("kafka-cutover: ")
    assert says in last
    assert done.stdout == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.yaml", "full", "policed"]
    assert [path.name for path in (tmp_path / "policed").iterdir()] == ["policy.toml"], "nothing began"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--testbed", "docker"], "no container engine answers at DOCKER_HOST=unix:///no/engine"),
        (["--source-version", "0.8"], "0.8"),
    ],
)
def test_if_nothing_can_be_rehearsed_every_scenario_is_in_every_output(
    tmp_path: Path, cli: Cli, options: list[str], why: str
) -> None:
    done = cli("rehearse", "stop-first", "producers-first", *options)
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("kafka-cutover: ")]
    out = tmp_path / "cutover-out"
    for name in ("stop-first", "producers-first"):
        assert any(line.startswith(f"kafka-cutover: {name}: not rehearsed: ") and why in line for line in lines)
        assert any(line.split() == [name, "not", "rehearsed", *"-----"] for line in done.stdout.splitlines())
        for file in ("rehearsal.json", "report.html", "report.md", "report.json", "junit.xml"):
            assert name in (out / file).read_text(encoding="utf-8"), file
    assert "INCONCLUSIVE: Nothing was rehearsed of 2 scenarios requested" in done.stdout
    assert len(lines) == 2


def test_a_port_in_use_is_named(tmp_path: Path, cli: Cli) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cli("rehearse", "stop-first", "--ports", f"{port},{port - 1},{port - 2}")
    assert done.returncode == 2, done.stderr
    assert str(port) in done.stderr.strip().splitlines()[-1]
    assert not running_below(tmp_path)


@pytest.mark.parametrize("command", [("plan", "check"), ("status",), ("rehearse", "--plan")])
def test_names_with_control_characters_do_not_reach_the_terminal(tmp_path: Path, cli: Cli, command: list[str]) -> None:
    file = "plan\x1b[31m\u202e.yaml"
    (tmp_path / file).write_text('name: a\n"b\\x1b[31m": 1\n', encoding="utf-8")
    done = cli(*command, file)
    assert done.returncode == 2
    assert r"plan\x1b[31m\u202e.yaml" in done.stdout + done.stderr
    assert not {"\x1b", "\u202e"} & set(done.stdout + done.stderr)


def test_the_program_has_its_own_name_in_any_process(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "__package__", "somebodys.program", raising=False)
    monkeypatch.setattr(sys.modules["__main__"], "__spec__", object(), raising=False)
    done = cli("plan", "chekc")
    assert done.stderr.startswith("kafka-cutover: plan: no such command: chekc: did you mean check?")
    assert done.stderr.endswith("`kafka-cutover plan --help` shows the usage\n")
    assert "somebodys" not in done.stderr + cli("plan", "--help").stdout


ELSE = "list the catalogue with `kafka-cutover scenarios list`, or give the path of a scenario file"


@pytest.mark.parametrize(
    ("args", "line", "usage"),
    [
        (["rehearse", "--sped", "2"], "rehearse: no such option: --sped: did you mean --speed?", "rehearse "),
        (["rehersal"], "no such command: rehersal: did you mean rehearse?", ""),
        (["zzz"], "no such command: zzz:", ""),
        (["scenarios", "vaildate"], "scenarios: no such command: vaildate: did you mean validate?", "scenarios "),
        (["plan", "chekc"], "plan: no such command: chekc: did you mean check?", "plan "),
        (["run"], "run: missing argument 'PLAN':", "run "),
        (["rehearse", "stop-frist"], f"no scenario is called 'stop-frist': did you mean stop-first? Or {ELSE}", None),
        (["rehearse", "rolback-*"], f"no scenario matches 'rolback-*': {ELSE}", None),
    ],
)
def test_a_misspelled_name_is_one_line_that_names_what_was_meant(
    cli: Cli, args: list[str], line: str, usage: str | None
) -> None:
    done = cli(*args)
    line += "" if usage is None else f" `kafka-cutover {usage}--help` shows the usage"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"kafka-cutover: {line}\n")


def test_all_errors_of_all_scenario_files_are_reported(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "bad.yaml").write_text(BAD_SCENARIO + "fleet: {producers: many, grups: 1}\n", encoding="utf-8")
    (tmp_path / "torn.yaml").write_text("name: torn\npath: [create-task\n", encoding="utf-8")
    (tmp_path / "typo.yaml").write_text(BAD_SCENARIO.replace("fly", "stop-consumer"), encoding="utf-8")
    done = cli("scenarios", "validate", "bad.yaml", "stop-first", "torn.yaml", "typo.yaml", "nothing")
    places = [line.split(": ")[1] for line in done.stderr.splitlines()]
    assert done.returncode == 2
    assert places[:3] == ["bad.yaml:3", "bad.yaml:4", "bad.yaml:4"]
    assert [place.split(":")[0] for place in places[3:]] == [
        "torn.yaml",
        "typo.yaml",
        "no scenario is called 'nothing'",
    ]
    assert "found 'stop-consumer': did you mean stop-consumers?" in done.stderr
    assert done.stdout.startswith("stop-first: valid: stop-first, ")


def test_a_glob_is_all_names_that_it_matches_once_in_their_order(cli: Cli) -> None:
    names = [each["name"] for each in json.loads(cli("scenarios", "list", "--json").stdout)]
    rollbacks = [name for name in names if name.startswith("rollback-")]
    assert len(rollbacks) > 2
    assert expanded(["rollback-*", "roll*"]) == rollbacks
    assert expanded([rollbacks[-1], "rollback-*"]) == [rollbacks[-1], *rollbacks[:-1]]
    assert expanded(["mine*.yaml", "stop-first"]) == ["mine*.yaml", "stop-first"], "files are the shell's"
    done = cli("scenarios", "validate", "rollback-*")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == rollbacks


def test_the_catalogue_can_be_read_by_a_machine_and_checked(tmp_path: Path, cli: Cli) -> None:
    listed = json.loads(cli("scenarios", "list", "--json").stdout)
    assert len(cli("scenarios", "list").stdout.splitlines()) == len(listed) + 1  # a line each, for grep
    assert "stop-first" in [scenario["name"] for scenario in listed]
    shown = cli("scenarios", "show", "stop-first").stdout
    (tmp_path / "mine.yaml").write_text(shown, encoding="utf-8")
    assert cli("scenarios", "validate", "mine.yaml").returncode == 0
    assert cli("scenarios", "show", "mine.yaml").stdout == shown
    assert json.loads(cli("scenarios", "schema").stdout)["title"] == "Scenario"


def test_the_sample_capture_is_shipped() -> None:
    assert sample_capture().stat().st_size > 100_000


INTERRUPTED_WHILE_LOADING = """
import sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "cutover_harness.cli.app":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
from cutover_harness.cli import main
main()
"""


def test_an_interruption_while_it_is_loaded_is_one(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", INTERRUPTED_WHILE_LOADING],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


LOADED = """
import sys
try:
    from cutover_harness.cli import main
    main()
finally:
    print(sum(place.partition(":")[0] in sys.modules for place in COMMANDS.values()), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("arguments", "loaded"), [(["--version"], 0), (["doctor", "--help"], 1), (["--help"], 0), ([], 0)]
)
def test_a_command_loads_its_own_module_alone(arguments: list[str], loaded: int) -> None:
    program = f"COMMANDS = {COMMANDS!r}\n{LOADED}"
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, int(done.stderr.splitlines()[-1])) == (0 if arguments else 2, loaded)


def test_a_command_names_the_package_that_is_missing() -> None:
    program = "import sys; sys.modules['httpx'] = None; from cutover_harness.cli import main; main()"
    command = [sys.executable, "-P", "-c", program]
    done = subprocess.run([*command, "resume", "x"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "kafka-cutover: needs httpx: pip install 'kafka-cutover[harness]'\n",
    )
    assert subprocess.run([*command, "--version"], capture_output=True, check=False).returncode == 0


def test_the_command_that_repeats_a_run_has_its_seed() -> None:
    assert repeat_command(["rehearse", "stop-first"], 7) == "kafka-cutover rehearse --seed 7 stop-first"
    assert repeat_command(["rehearse", "--", "-odd.yaml"], 7) == "kafka-cutover rehearse --seed 7 -- -odd.yaml"
    assert repeat_command(["rehearse", "--seed", "7"], None) == "kafka-cutover rehearse --seed 7"


@pytest.mark.parametrize(
    ("args", "ends"),
    [
        (["rehearse", "--testbed", "dockr"], "nor a YAML file: did you mean docker?\n"),
        (["rehearse", "--testbed", "cloud"], "nor a YAML file\n"),
        (["record", "orders", "--bootstrap", "x:1", "-o", "x", "--mask", "valeus"], ", all: did you mean values?\n"),
    ],
)
def test_a_misspelled_value_is_answered_with_what_was_meant(cli: Cli, args: list[str], ends: str) -> None:
    done = cli(*args)
    assert done.returncode == 2
    assert done.stderr.endswith(ends)

"""Commands in the documentation: each names a command and options that exist; those that need no cluster are run."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
from cutover_harness.cli.app import app
from typer.main import get_command

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^ *```(?:sh|bash)\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
_FOREIGN = {
    "--html",
    "--csv",
    "--processes",
    "--expect-workers",
    "--master",
    "--worker",
    "--master-host",
    "--master-bind-host",
}
"""Options of Locust, which `load` passes on."""


def lines(text: str) -> Iterator[list[str]]:
    """Yield the words of each call of kafka-cutover in the shell blocks of a page."""
    for block in _BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if "kafka-cutover " in line and not line.strip().startswith("#"):
                call = line[line.index("kafka-cutover ") :]
                if line[: line.index("kafka-cutover ")].strip().split(" ")[0] in {"", "CUTOVER_STATUS=status"}:
                    yield shlex.split(call, comments=True)[1:]


def problem(words: list[str]) -> str | None:
    """Return what the tool would refuse about names of commands and options, None if it knows them."""
    command: Any = get_command(app)
    context: Any = typer.Context(command, info_name="kafka-cutover")
    rest = list(words)
    while hasattr(command, "get_command") and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        if found is None:
            if rest[0].endswith(".json"):  # `plan inventory.json`: what follows is read by the group itself
                return None
            return f"no command {rest[0]}"
        command, context = found, typer.Context(found, info_name=rest[0], parent=context)
        rest = rest[1:]
    known = {option for each in command.get_params(context) for option in (*each.opts, *each.secondary_opts)}
    given = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
    return f"no option {sorted(given - known - _FOREIGN)}" if given - known - _FOREIGN else None


CALLS = [(page, words) for page in PAGES for words in lines(page.read_text(encoding="utf-8"))]


def test_there_are_calls_to_check() -> None:
    assert len(CALLS) > 50
    assert {page.name for page, _ in CALLS} >= {"tutorial.md", "scenario.md", "staging.md", "locust.md"}


def test_commands_and_options_exist() -> None:
    wrong = [f"{page}: kafka-cutover {shlex.join(words)}: {why}" for page, words in CALLS if (why := problem(words))]
    assert wrong == []


def test_one_that_does_not_exist_is_found() -> None:
    assert problem(["no-such"]) == "no command no-such"
    assert problem(["scenarios", "list", "--no-such"]) == "no option ['--no-such']"
    assert problem(["scenarios", "list"]) is None


def run(*words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from cutover_harness.cli import main; main()", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_scenario_of_the_how_to_is_valid(tmp_path: Path) -> None:
    text = (ROOT / "docs/how-to/scenario.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)
    (tmp_path / "careful.yaml").write_text(block, encoding="utf-8")
    done = run("scenarios", "validate", "careful.yaml", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    (tmp_path / "careful.yaml").write_text(block.replace("stop-consumers", "stop-everything"), encoding="utf-8")
    assert run("scenarios", "validate", "careful.yaml", folder=tmp_path).returncode == 2


def test_the_catalogue_can_be_listed_and_shown_as_the_how_to_does(tmp_path: Path) -> None:
    shown = run("scenarios", "show", "stop-first", folder=tmp_path)
    assert shown.returncode == 0
    (tmp_path / "mine.yaml").write_text(shown.stdout, encoding="utf-8")
    assert run("scenarios", "validate", "mine.yaml", folder=tmp_path).returncode == 0
    assert "stop-first" in run("scenarios", "list", folder=tmp_path).stdout


def test_the_cutover_file_of_the_tutorial_can_be_changed_as_it_says(tmp_path: Path) -> None:
    program = (ROOT / "docs/examples/two_clusters.py").read_text(encoding="utf-8")
    (text,) = re.findall(r'FILE = """\\\n(.*?)"""', program, flags=re.DOTALL)
    (tmp_path / "cutover.toml").write_text(text.format(source="127.0.0.1:1", target="127.0.0.1:2"), encoding="utf-8")
    tutorial = [words for page, words in CALLS if page.name == "tutorial.md" and words[:2] == ["file", "set"]]
    assert len(tutorial) == 2
    for words in tutorial:
        done = run(*words, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    final = (tmp_path / "cutover.toml").read_text(encoding="utf-8")
    assert "generation = 3" in final
    assert final.count('"target"') == 2

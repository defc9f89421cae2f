"""Help pages of all commands: examples, whole sentences, 80 columns, -h."""

from __future__ import annotations

import contextlib
import io
import re
import shlex
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from cutover_harness.cli.app import app
from cutover_harness.cli.completing import VALUES
from cutover_harness.cli.examples import EXAMPLES
from cutover_harness.cli.help_pages import path_of, tidy
from typer.exceptions import TyperException
from typer.main import get_command

MAIN: Any = get_command(app)
RESULT = re.compile(r"\s*[|>].*")
"""What the shell does with the output of an example."""


def commands(group: Any = MAIN, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    """All commands and groups with their words."""
    yield " ".join(path), group
    for name in getattr(group, "commands", {}):
        yield from commands(group.get_command(None, name), (*path, name))


ALL = dict(commands())


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def page(path: str, option: str = "--help") -> str:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        assert MAIN.main([*path.split(), option], prog_name="kafka-cutover", standalone_mode=False) == 0
    return printed.getvalue()


def test_every_command_has_an_example_and_no_other_has() -> None:
    assert {*EXAMPLES} == {*ALL}


@pytest.mark.parametrize("path", ALL)
def test_a_page_fits_80_columns_and_ends_with_its_examples(path: str) -> None:
    lines = page(path).splitlines()
    assert [line for line in lines if len(line) > 80] == []
    shown = [f"  {line}" for each in EXAMPLES[path] for line in (f"# {each.does}", *each.command.splitlines())]
    assert lines[-len(shown) :] == shown


@pytest.mark.parametrize("path", ALL)
def test_the_short_option_gives_the_same_page(path: str) -> None:
    assert page(path, "-h") == page(path)


@pytest.mark.parametrize("path", ALL)
def test_texts_are_whole_sentences_with_values_in_words(path: str) -> None:
    command = ALL[path]
    texts = [command.help.strip(), *(each.does for each in EXAMPLES[path])]
    texts += [param.help.strip() for param in command.params if param.help is not None and not param.hidden]
    assert [param.name for param in command.params if not param.help] == []
    assert [
        text for text in texts if not re.match(r"(\[[a-z, ]+\] )?(--|[A-Z0-9])", text) or text[-1] not in ".)…"
    ] == []
    usage = page(path)
    assert not re.search(r"<(str|int|float|path|list)|(?<!\$)\{", usage), usage
    assert not re.search(r"default: .*\[default: ", usage), "given twice"


def test_the_list_of_commands_has_a_whole_sentence_for_each_and_says_what_the_page_says() -> None:
    for section in MAIN.sections().values():
        for name, summary in section:
            assert summary[0].isupper(), name
            assert summary.endswith("."), name
            assert f"{name:<9}  {summary}" in page("")


def _noting(called: list[str], path: str) -> Callable[..., None]:
    return lambda **_: called.append(path)


@pytest.mark.parametrize(
    ("path", "command"), [(path, each.command) for path, examples in EXAMPLES.items() for each in examples]
)
def test_an_example_is_a_command_line_of_its_page(path: str, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []
    for name, each in ALL.items():
        if not hasattr(each, "commands"):
            monkeypatch.setattr(each, "callback", _noting(called, name))
    program, *words = shlex.split(RESULT.sub("", command.replace("\\\n", "")))
    assert program == "kafka-cutover"
    MAIN.main(words, prog_name="kafka-cutover", standalone_mode=False)
    assert len(called) == 1
    assert called[0].startswith(path)


def test_an_example_with_a_mistake_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TyperException, match="No such option"):
        test_an_example_is_a_command_line_of_its_page("judge", "kafka-cutover judge --no-such x", monkeypatch)


def test_values_are_completed_only_for_parameters_that_exist() -> None:
    for path, parameters in VALUES.items():
        assert {*parameters} <= {param.name for param in ALL[path].params}, path


def test_tidying_twice_changes_nothing() -> None:
    before = page("rehearse")
    tidy(ALL["rehearse"])
    assert page("rehearse") == before


def test_the_path_of_the_program_is_empty() -> None:
    with MAIN.make_context("kafka-cutover", ["doctor"]) as ctx:
        assert path_of(ctx) == ""

"""Mistakes in files that people write: every one in the product's words, with its line, and nothing of pydantic's."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.mistake_words import FORMS, shown, words_of
from cutover_harness.plan.load import mistakes_in
from cutover_harness.plan.scenario import Scenario
from cutover_harness.plan.yaml_tree import read_yaml
from cutover_harness.planning.check import check_plan
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.read import read_plan
from cutover_harness.planning.systems import Systems, read_systems
from cutover_harness.rehearsal.testbed_file import read_testbed_file
from cutover_harness.testbed.existing.description import ExistingClusters
from cutover_reports.policy import Policy, read_policy
from pydantic import BaseModel
from pydantic_core._pydantic_core import list_all_errors

PHRASES = re.compile(
    r"Input should|Value error|Field required|Extra inputs|Assertion failed|should (have|match|be|contain)|"
    r"valid (int|num|str|bool|dict|list|tuple)|unable to (parse|interpret)|Unable to|literal\[|tuple\[|"
    r"constrained|function-|\[key\]|"
    r"validation error|pydantic"
)

PLAN = """\
name: shop
clusters:
  source: {properties: source.properties}
  target: {properties: target.properties}
reach: [{file: cutover.toml}]
webhooks: [{url: "${HOOK}"}]
mirror_rate: 5
batches:
  - name: a
    path: restart
    topics: [orders]
    groups: {billing: {moves: restart, instances: 3}}
    gates: {deadline_s: 30}
"""
SYSTEMS = (
    "systems:\n  shop:\n    topics: [shop.*]\n    order: 5\n    path: restart\n    moves: {old: restart}\nstale: stay\n"
)
TESTBED = (
    "prefix: team-x-\nsource: source.properties\ntarget:\n  properties: target.properties\n  kind: automq\n"
    "connect:\n  url: http://connect:8083\n"
)
SCENARIO = (
    "name: mine\ntitle: My own\ndefault: false\nbrokers: 1\npath: [create-task, stop-consumers]\n"
    "faults: [{kind: kill, of: connect, at: stop-consumers}]\nexpect: {lost: 0, duplicated: {rewind: 5}}\n"
)
POLICY = (
    'path = "in-process"\n[limits]\nlost = 0\nlag_ms = 5.5\n[evidence]\nreversible = [1]\nnot_taken = ["x"]\n'
    "[clients.billing]\n'linger.ms' = 1\n"
)


def plan(file: Path) -> list[str]:
    try:
        found = [str(each) for each in check_plan(file, None).problems if "there is no file" not in each.text]
    except UsageError as why:
        return [str(why)]
    if found:
        try:
            read_plan(file)
        except UsageError as why:
            found.append(str(why))
    return found


def raised(read: Callable[[Path], object]) -> Callable[[Path], list[str]]:
    def lines(file: Path) -> list[str]:
        try:
            read(file)
        except UsageError as why:
            return str(why).splitlines()
        return []

    return lines


READERS: Mapping[str, tuple[str, Callable[[Path], list[str]]]] = {
    "plan.yaml": (PLAN, plan),
    "systems.yaml": (SYSTEMS, raised(read_systems)),
    "testbed.yaml": (TESTBED, raised(read_testbed_file)),
    "scenario.yaml": (SCENARIO, lambda file: mistakes_in(str(file))),
    "policy.toml": (POLICY, raised(read_policy)),
}
WRONG = ("null", "5", "-1", "1.5", "true", "some text", "''", "[]", "[1]", "[[x]]", "{}", "{x: 1}", "2026-01-01",
         ".nan", '"\\a"', "x" * 5000)  # fmt: skip
WRONG_IN_TOML = ("5", "-1", "1.5", "true", "'some text'", "''", "[]", "[1]", "[['x']]", "{}", "{x = 1}", "2026-01-01",
                 "nan", f"'{'x' * 5000}'")  # fmt: skip


def changed(text: str, *, toml: bool) -> Iterator[str]:
    """Yield the text with one value or one name wrong, or missing, in every way."""
    value = re.compile(r"(?<= = )[^\n]+" if toml else r"(?<=: )(?:\[[^\]]*\]|[^,{}\n\]]+|\{[^\n]*\})(?=[,}\n\]])")
    for found in value.finditer(text):
        for wrong in WRONG_IN_TOML if toml else WRONG:
            yield f"{text[: found.start()]}{wrong}{text[found.end() :]}"
    name = re.compile(r"^([\w.']+)(?= = )" if toml else r"\b\w+(?=: )", re.MULTILINE)
    for found in name.finditer(text):
        for wrong in ("nosuch", f"{found[0].strip(chr(39))}x", "'a b'"):
            yield f"{text[: found.start()]}{wrong}{text[found.end() :]}"
    lines = text.splitlines(keepends=True)
    for number in range(len(lines)):
        yield "".join(lines[:number] + lines[number + 1 :])


@pytest.mark.parametrize("name", READERS)
def test_no_words_of_pydantic_are_shown(tmp_path: Path, name: str) -> None:
    text, read = READERS[name]
    file = tmp_path / name
    count = 0
    for each in changed(text, toml=name.endswith(".toml")):
        file.write_text(each)
        for line in read(file):
            count += 1
            assert PHRASES.search(line.replace(str(tmp_path), "")) is None, f"{line}\n{each}"
            assert len(line) < 1500, line[:200]
            assert re.match(rf"{re.escape(str(file))}:\d+: |{re.escape(str(file))}: not valid TOML", line), line
    assert count > 50


@pytest.mark.parametrize("name", READERS)
def test_an_address_in_any_place_is_not_shown(tmp_path: Path, name: str) -> None:
    """It can have a password or a token in it, and a person may write it in the line above, or forget `url:`."""
    text, read = READERS[name]
    file = tmp_path / name
    value = re.compile(r"(?<== )[^\n]+" if name.endswith(".toml") else r"(?<=: )(?:\[[^\]]*\]|[^,{}\n\]]+)(?=[,}\n\]])")
    refused = 0
    for found in value.finditer(text):
        for address in (
            "'https://user:hunter2@host:8083/x'",
            "'SASL_SSL://user:hunter2@host:9093'",
            "'user:hunter2@host'",
        ):
            for wrong in (address, f"[{address}]"):
                file.write_text(f"{text[: found.start()]}{wrong}{text[found.end() :]}")
                lines = read(file)
                refused += bool(lines)
                assert "hunter2" not in "\n".join(lines)
    assert refused > 10


def test_text_in_the_place_of_fields_is_not_shown(tmp_path: Path) -> None:
    for name, old in (
        ("plan.yaml", 'webhooks: [{url: "${HOOK}"}]'),
        ("testbed.yaml", "connect:\n  url: http://connect:8083"),
    ):
        text, read = READERS[name]
        assert old in text
        where = old.split(":")[0]
        for new in (f"{where}: hunter2", f"{where}: [hunter2]"):
            (tmp_path / name).write_text(text.replace(old, new))
            lines = read(tmp_path / name)
            assert lines
            assert new.startswith("webhooks: h") or "hunter2" not in "\n".join(lines)


def test_a_field_named_on_needs_no_quotation_marks(tmp_path: Path) -> None:
    file = tmp_path / "plan.yaml"
    file.write_text(PLAN)
    others = plan(file)
    file.write_text(PLAN.replace('{url: "${HOOK}"}', '{url: "${HOOK}", on: [gate-missed, end]}'))
    assert plan(file) == others
    file.write_text(PLAN.replace('{url: "${HOOK}"}', '{url: "${HOOK}", on: [no]}'))
    assert any("expected 'step', 'gate-missed'" in each or "found 'no'" in each for each in plan(file))


@pytest.mark.parametrize("longer", ["", "# " + "x" * (1 << 17)], ids=["short", "long"])
def test_only_names_of_fields_are_text_whatever_they_are(longer: str) -> None:
    """Both loaders: a long file is read by another one."""
    _, data = read_yaml(f"on: no\nyes: {{off: on, true: 1}}\nlist: [yes, off, n]\n{longer}\n", "x.yaml")
    assert data == {"on": False, "yes": {"off": True, "true": 1}, "list": [True, False, "n"]}


@pytest.mark.parametrize(
    ("name", "old", "new", "line"),
    [
        ("plan.yaml", "mirror_rate: 5", "mirror_rate: fast", "7: mirror_rate: expected a whole number, found 'fast'"),
        ("plan.yaml", "path: restart", "path: restrt",
         "10: batches.a.path: expected 'in-process', 'stop-first', 'restart' or 'overlap', or a list, found 'restrt'"),
        ("plan.yaml", "path: restart", "path: [{step: nope}]", "10: batches.a.path.0.step: expected 'create-task', "),
        ("plan.yaml", "instances: 3", "instances: 0",
         "12: batches.a.groups.billing.instances: must be 1 or more, found 0"),
        ("plan.yaml", "name: a\n", "name: 7\n",
         "9: batches.7.name: expected text, found 7: put it into quotation marks"),
        ("plan.yaml", "name: a\n", "name: A b\n", "9: batches.A b.name: expected a name of small letters"),
        ("plan.yaml", "topics: [orders]", "topics: orders", "11: batches.a.topics: expected a list, found 'orders'"),
        ("plan.yaml", "topics: [orders]", "topic: [orders]",
         "11: batches.a.topic: no such field: did you mean topics?"),
        ("plan.yaml", "groups: {billing: {moves: restart, instances: 3}}", "groups: [billing]",
         "12: batches.a.groups: expected a mapping of names to values, found a list"),
        ("systems.yaml", "  shop:\n", "  Shop X:\n", "2: systems.Shop X: name: expected a name of small letters"),
        ("testbed.yaml", "  kind: automq", "  kind: autoMQ",
         "5: target.kind: expected 'kafka' or 'automq', found 'autoMQ'"),
        ("scenario.yaml", "default: false", "default: maybe", "3: default: expected true or false, found 'maybe'"),
        ("policy.toml", "lost = 0", "lost = 'none'", "3: limits.lost: expected a whole number, or 'any', found 'none'"),
        ("policy.toml", "lost = 0", "lost = -1", "3: limits.lost: must be 0 or more, found -1"),
    ],
)  # fmt: skip
def test_a_mistake_has_its_line_its_field_what_was_found_and_what_is_expected(
    tmp_path: Path, name: str, old: str, new: str, line: str
) -> None:
    text, read = READERS[name]
    file = tmp_path / name
    assert old in text
    file.write_text(text.replace(old, new, 1))
    assert any(each.startswith(f"{file}:{line}") for each in read(file)), read(file)


def test_every_kind_of_error_has_words() -> None:
    for each in list_all_errors():
        error: Any = {"type": each["type"], "loc": ("x",), "ctx": each["example_context"] or {}, "input": object()}
        words = words_of(error)
        assert words
        assert PHRASES.search(words) is None, words
    assert shown("x" * 5000).endswith("(5,002 characters)")


@pytest.mark.parametrize("model", [PlanFile, Systems, Scenario, ExistingClusters, Policy])
def test_every_pattern_of_a_schema_has_words(model: type[BaseModel]) -> None:
    assert set(_patterns(model.model_json_schema())) <= set(FORMS)


def _patterns(schema: object) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, inner in schema.items():
            if name == "pattern" and isinstance(inner, str):
                yield inner
            yield from _patterns(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _patterns(inner)

"""`kafka-cutover plan`: what it writes, prints and refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.inventory.model import Gap, Listing
from cutover_harness.planning.read import read_plan
from cutover_harness.planning.schema import PLAN, SYSTEMS, schema

from tests.unit.conductor.run_folder import Cli, command_line
from tests.unit.planning.listings import group, listing, topic, topics_of

ROOT = Path(__file__).parents[3]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    with command_line(monkeypatch, capsys) as call:
        yield call


def write(found: Listing, name: str = "inventory.json") -> None:
    Path(name).write_text(found.model_dump_json())


def test_a_plan_is_written_with_what_editors_need(cli: Cli, tmp_path: Path) -> None:
    write(listing(topics_of(["a.1", "b.1"]), [group("g", ["a.1"])]))
    code, out, err = cli("plan", "inventory.json", "-o", "plan.yaml")
    assert (code, err) == (0, "")
    assert "plan.yaml: written" in out
    plan = tmp_path / "plan.yaml"
    assert plan.stat().st_mode & 0o777 == (tmp_path / ".plan.yaml.generated").stat().st_mode & 0o777 == 0o600
    first = plan.read_text().splitlines()[0]
    assert first == f"# yaml-language-server: $schema=./{PLAN}"
    assert (tmp_path / PLAN).read_text() == schema(PLAN)
    read = read_plan(plan).plan
    assert read.inventory is not None
    assert read.inventory.file == "inventory.json"
    assert len(read.inventory.sha256 or "") == 64
    before = {file: file.read_bytes() for file in tmp_path.iterdir()}
    assert cli("plan", "inventory.json", "-o", "plan.yaml")[0] == 0
    assert {file: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_without_a_file_it_is_printed(cli: Cli, tmp_path: Path) -> None:
    write(listing(topics_of(["a.1"])))
    code, out, _ = cli("plan", "make", "inventory.json")
    assert code == 0
    assert [file.name for file in tmp_path.iterdir()] == ["inventory.json"]
    (tmp_path / "printed.yaml").write_text(out)
    assert read_plan(tmp_path / "printed.yaml").plan.batches[0].name == "a"


def test_a_difference_is_printed_and_nothing_is_written(cli: Cli, tmp_path: Path) -> None:
    write(listing(topics_of(["a.1"])))
    cli("plan", "inventory.json", "-o", "plan.yaml")
    before = {file: file.read_bytes() for file in tmp_path.iterdir() if file.name != "inventory.json"}
    write(listing(topics_of(["a.1", "b.1"])))
    code, out, _ = cli("plan", "inventory.json", "-o", "plan.yaml", "--diff")
    assert code == 0
    assert "+  - name: b # Order: offline" in out
    assert {file: file.read_bytes() for file in tmp_path.iterdir() if file.name != "inventory.json"} == before
    assert cli("plan", "inventory.json", "-o", "plan.yaml")[0] == 0
    assert cli("plan", "inventory.json", "-o", "plan.yaml", "--diff")[:2] == (0, "")


@pytest.mark.parametrize("name", ["line\nbreak", "x" * 250])
def test_a_group_that_no_plan_can_contain_is_named(cli: Cli, name: str) -> None:
    write(listing(topics_of(["a.1"]), [group(name, ["a.1"])]))
    code, out, err = cli("plan", "inventory.json")
    assert (code, out) == (2, "")
    assert f"inventory inventory.json: a plan cannot contain this: groups.{name[:4]}" in err


def test_a_path_without_steps_is_named_with_its_line(cli: Cli) -> None:
    write(listing(topics_of(["a.1"])))
    Path("systems.yaml").write_text("systems:\n  shop:\n    topics: [a.*]\n    path: []\n")
    code, _, err = cli("plan", "inventory.json", "--systems", "systems.yaml")
    assert (code, "systems.yaml:4: systems.shop.path" in err) == (2, True), err


def test_a_partial_inventory_is_refused_with_its_gaps(cli: Cli) -> None:
    gap = Gap(cluster="source", what="hidden topics", kind="forbidden", why="x", count=5, names=["a", "b", "c", "d"])
    write(
        listing(topics_of(["a.1"]), partial=True, gaps=[gap, Gap(cluster=None, what="quotas", kind="skipped", why="y")])
    )
    code, out, err = cli("plan", "inventory.json")
    assert (code, out) == (2, "")
    assert "source: hidden topics (a, b, c and 2 more)" in err
    assert "quotas" not in err
    assert len(err.splitlines()) == 1
    assert cli("plan", "inventory.json", "--partial")[0] == 0


def test_the_mapping_of_the_plan_is_used_again(cli: Cli) -> None:
    Path("systems.yaml").write_text("systems: {one: {topics: [a.*]}, two: {topics: ['*']}}\n")
    write(listing(topics_of(["a.1", "b.1"])))
    assert cli("plan", "inventory.json", "--systems", "systems.yaml", "-o", "plan.yaml")[0] == 0
    write(listing(topics_of(["a.1", "b.1", "c.1"])))
    assert cli("plan", "inventory.json", "-o", "plan.yaml")[0] == 0
    assert [batch.name for batch in read_plan(Path("plan.yaml")).plan.batches] == ["one", "two"]


def test_the_rate_of_the_mirror(cli: Cli) -> None:
    write(listing([topic("a.1", bytes=600_000_000, bytes_per_s=10_000_000.0)]))
    cli("plan", "inventory.json", "-o", "plan.yaml", "--mirror-rate", "15m", "--measured")
    plan = read_plan(Path("plan.yaml")).plan
    assert (plan.mirror_rate, plan.mirror_rate_measured) == (15 << 20, True)
    estimate = plan.batches[0].estimate
    assert estimate is not None
    assert estimate.minutes == pytest.approx(600_000_000 / ((15 << 20) - 10_000_000) / 60, abs=0.1)
    _, out, _ = cli("plan", "inventory.json", "-o", "slow.yaml", "--mirror-rate", "9m")
    assert "the mirror never catches up: 10.0 MB are written per second, and it copies 9.4 MB per second" in out
    slow = read_plan(Path("slow.yaml")).plan.batches[0].estimate
    assert slow is not None
    assert slow.minutes is None


def test_what_was_given_once_stays(cli: Cli) -> None:
    write(listing(topics_of(["a.1"])))
    given = ("--mirror-rate", "40m", "--measured", "--name", "spring", "--source", "s", "--connect", "http://c:8083")
    cli("plan", "inventory.json", "-o", "plan.yaml", *given, "--target", "t", "--policy", "p")
    before = Path("plan.yaml").read_text()
    assert cli("plan", "inventory.json", "-o", "plan.yaml")[0] == 0
    assert Path("plan.yaml").read_text() == before
    cli("plan", "inventory.json", "-o", "plan.yaml", "--mirror-rate", "50m")
    plan = read_plan(Path("plan.yaml")).plan
    assert (plan.mirror_rate, plan.mirror_rate_measured, plan.name) == (50 << 20, False, "spring")


def test_the_inventory_of_the_plan_is_used_again(cli: Cli) -> None:
    write(listing(topics_of(["a.1"])))
    code, _, err = cli("plan", "--explain", "a.1")
    assert code == 2
    assert "no inventory: give the file" in err
    Path("sub").mkdir()
    for file in ("sub/plan.yaml", "plan.yaml"):
        assert cli("plan", "inventory.json", "-o", file)[0] == 0
    assert cli("plan", "-o", "sub/plan.yaml")[0] == 0
    code, out, _ = cli("plan", "--explain", "a.1")
    assert code == 0
    assert out.splitlines()[-1] == "plan.yaml: batch a"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["missing.json"], "inventory missing.json: cannot be read"),
        (["bad.json"], "bad.json: the file: not valid JSON ("),
        (["other.json"], "other.json: created: is missing"),
        (["inventory.json", "-o", "no/plan.yaml"], "-o no/plan.yaml: its folder does not exist"),
        (["inventory.json", "--measured"], "--measured: give the rate"),
        (["inventory.json", "--mirror-rate", "fast"], "--mirror-rate fast: not a size"),
        (["inventory.json", "--connect", "https://u:secret@h"], "has a password: write ${NAME}"),
        (
            ["inventory.json", "--systems", "bad-systems.yaml"],
            "bad-systems.yaml:2: systems.a.topics: is missing",
        ),
        (["inventory.json", "--systems", "after.yaml"], "after.yaml:1: systems.a.after: no system is called b"),
        (["inventory.json", "--systems", "bad.json"], "bad.json:1: expected a mapping"),
        (["inventory.json", "-o", "bad-plan.yaml"], "bad-plan.yaml:1: a plan is a mapping"),
    ],
)
def test_what_is_refused(cli: Cli, args: list[str], says: str) -> None:
    write(listing(topics_of(["a.1"])))
    for name, text in {
        "bad.json": "nothing",
        "other.json": "{}",
        "bad-systems.yaml": "systems:\n  a: {order: 1}\n",
        "after.yaml": "systems: {a: {topics: [a], after: [b]}}\n",
        "bad-plan.yaml": "- a\n",
    }.items():
        Path(name).write_text(text)
    code, out, err = cli("plan", *args)
    assert (code, out) == (2, "")
    assert says in err
    assert "secret" not in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("name", [PLAN, SYSTEMS])
def test_the_schemas_in_the_docs_are_current(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == schema(name)


def test_the_schema_is_printed(cli: Cli) -> None:
    assert cli("plan", "schema") == (0, schema(PLAN), "")

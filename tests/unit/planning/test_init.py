"""`kafka-cutover init`: what it writes is good as it is, and the first plan takes its place."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_harness.planning.keep import base_of
from cutover_harness.planning.read import read_plan
from cutover_harness.planning.starting import FILES
from cutover_harness.planning.systems import read_systems
from cutover_reports.policy import read_policy

from tests.unit.conductor.run_folder import Cli, command_line
from tests.unit.planning.listings import listing, topics_of


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    with command_line(monkeypatch, capsys) as call:
        assert call("init", "new")[0] == 0
        yield call


def uncommented(text: str) -> str:
    """Return the text with the examples in its comments, which begin after `# ` or `#`, and without its sentences."""
    lines = []
    for line in text.splitlines():
        words = line.lstrip(" #").split()
        is_example = line.lstrip().startswith("#") and bool(words) and (words[0] == "-" or words[0].endswith(":"))
        lines.append(line.replace("# ", "", 1) if is_example and "schema=" not in line else line)
    return "\n".join(lines) + "\n"


def test_what_it_writes_has_no_problem(cli: Cli) -> None:
    folder = Path("new")
    assert {file.name for file in folder.iterdir()} >= set(FILES)
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir())
    code, out, _ = cli("plan", "check", "new/plan.yaml")
    assert code == 0
    assert out.splitlines()[-1] == "new/plan.yaml: no problem"
    assert "not set: connect" in out
    assert list(read_systems(folder / "systems.yaml").systems) == ["shop", "billing"]
    assert read_policy(folder / "policy.toml").limits.lost == 0


def test_its_examples_are_good_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SOURCE_PASSWORD", "TARGET_PASSWORD", "CONNECT_PASSWORD"):
        monkeypatch.setenv(name, "x")
    for name in ("systems.yaml", "plan.yaml"):
        file = Path("new") / name
        file.write_text(uncommented(file.read_text()))
    systems = read_systems(Path("new/systems.yaml"))
    assert (systems.stale, systems.stays, systems.systems["shop"].order) == ("move", ("tmp.*",), 10)
    assert systems.systems["shop"].moves == {"legacy-*": "restart"}
    plan = read_plan(Path("new/plan.yaml")).plan
    assert plan.connect is not None
    assert len(plan.reach) == 3
    assert plan.batches[0].groups["connect-s3"].connector == "s3"
    for name in ("source", "target"):
        file = Path("new") / f"{name}.properties"
        file.write_text(file.read_text().replace("\n#s", "\ns"))
    code, out, _ = cli("plan", "check", "new/plan.yaml")
    assert code == 0, out
    monkeypatch.delenv("TARGET_PASSWORD")
    assert (
        "new/target.properties:7: the environment has no variable TARGET_PASSWORD"
        in cli("plan", "check", "new/plan.yaml")[1]
    )


def test_it_overwrites_nothing(cli: Cli) -> None:
    before = {file: file.read_bytes() for file in Path("new").iterdir()}
    (Path("new") / "policy.toml").unlink()
    code, out, err = cli("init", "new")
    assert (code, out) == (2, "")
    assert "has source.properties, target.properties, connect.properties, systems.yaml, plan.yaml already" in err
    assert {file: file.read_bytes() for file in Path("new").iterdir()}.items() < before.items()
    assert cli("init", "new/plan.yaml")[0] == 2


def test_the_first_plan_takes_the_place_of_what_nobody_has_changed(cli: Cli) -> None:
    Path("new/inventory.json").write_text(listing(topics_of(["shop.a", "billing.a"])).model_dump_json())
    plan = Path("new/plan.yaml")
    assert cli("plan", "new/inventory.json", "--systems", "new/systems.yaml", "-o", str(plan))[0] == 0
    assert [batch.name for batch in read_plan(plan).plan.batches] == ["billing", "shop"]
    assert read_plan(plan).plan.policy == "policy.toml"
    assert "example" not in plan.read_text()
    assert base_of(plan).read_text() == plan.read_text()
    assert cli("plan", "check", str(plan))[0] == 0


def test_what_a_person_has_filled_in_before_stays(cli: Cli) -> None:
    Path("new/inventory.json").write_text(listing(topics_of(["shop.a", "billing.a"])).model_dump_json())
    plan = Path("new/plan.yaml")
    text = plan.read_text().replace("# statuses:", "statuses:").replace("name: cutover", "name: spring # agreed")
    plan.write_text(text.replace('# connect: {url: "https://connect.example:8083"', 'connect: {url: "https://c:8083"'))
    assert cli("plan", "new/inventory.json", "--systems", "new/systems.yaml", "-o", str(plan))[0] == 0
    read = read_plan(plan).plan
    assert (read.name, read.statuses, [batch.name for batch in read.batches]) == (
        "spring",
        "kafka:cutover-status",
        ["billing", "shop"],
    )
    assert read.connect is not None
    assert read.connect.url == "https://c:8083"
    assert "# agreed" in plan.read_text()


def test_systems_without_a_topic_are_named(cli: Cli) -> None:
    Path("inventory.json").write_text(listing(topics_of(["shop.a"])).model_dump_json())
    _, _, err = cli("plan", "inventory.json", "--systems", "new/systems.yaml", "-o", "new.yaml")
    assert err == "systems without a topic in the inventory: billing\n"

"""The policy file: defaults, overrides, and errors that a person can act on."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.plan.load import load_all
from cutover_reports.build import build
from cutover_reports.policy import Policy, check_policy, read_policy
from cutover_reports.survival import SETTINGS

from tests.unit.reports.run_folders import SHAPES, write_run


def policy(tmp_path: Path, text: str) -> Policy:
    file = tmp_path / "policy.toml"
    file.write_text(text, "utf-8")
    return read_policy(file)


def test_an_empty_file_is_the_defaults(tmp_path: Path) -> None:
    read = policy(tmp_path, "")
    assert read.limits == Policy().limits
    assert read.name == "policy.toml"


def test_any_lifts_a_limit(tmp_path: Path) -> None:
    assert policy(tmp_path, '[limits]\nstranded = "any"\n').limits.stranded == "any"


def test_a_route_overrides_only_what_it_names(tmp_path: Path) -> None:
    read = policy(
        tmp_path,
        '[limits]\nlost = 1\nlag_ms = 500\n[routes.orders]\nreversible = [1]\n[routes.orders.limits]\nlag_ms = "any"\n',
    )
    assert read.limits_of("orders").lag_ms == "any"
    assert read.limits_of("orders").lost == 1
    assert read.limits_of("else").lag_ms == 500
    assert read.reversible_stages("orders") == (1,)
    assert read.reversible_stages("else") == (1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[limits]\nlosst = 0\n", "policy.toml:2: limits.losst: no such field, found 0: did you mean lost?"),
        ("[limits]\nlost = -1\n", "limits.lost"),
        ('[limits]\nlost = "none"\n', "limits.lost"),
        ("[evidence]\nreversible = [7]\n", "evidence.reversible.0"),
        ("[routes.a.limits]\nnot_a_limit = 3\n", "not_a_limit"),
        ("[clients.billing]\n'delivery.timeout.ms' = 'long'\n", "clients.billing.delivery.timeout.ms"),
        (
            '[evidence]\nfaults = ["kill connect", "kill conect"]\n',
            "evidence.faults.1: no fault is called kill conect, did you mean kill conn",
        ),
        (
            '[evidence]\nfaults = ["unplug everything"]\n',
            "evidence.faults.0: no fault is called unplug everything, there are freeze connect, ",
        ),
        (
            "[clients.billing]\n'delivery.timout.ms' = 1\n",
            "no setting is called delivery.timout.ms, did you mean delivery.time",
        ),
        ("[clients.billing]\n'linger.ms' = 5\n", "no setting is called linger.ms, there are delivery.timeout.ms, "),
        ("format = 2\n", "format"),
        ("[limits\n", "not valid TOML"),
    ],
)
def test_a_mistake_names_the_file_and_the_key(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(UsageError) as caught:
        policy(tmp_path, text)
    message = str(caught.value)
    assert "policy.toml" in message
    assert named in message
    assert "\n" not in message


def test_all_mistakes_are_shown_with_their_lines(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        policy(
            tmp_path,
            "# limits\n[limits]\nlosst = 0\nlag_ms = -1\ndisordered = 'x'\n\n"
            "[evidence]\nreversible = [\n  1,\n  9,\n]\n"
            "[routes.\"a b\"]\nlimits.lost = 'none'\nlimits.sth = 1\n",
        )
    lines = [line.removeprefix(f"{tmp_path}/") for line in str(caught.value).splitlines()]
    assert [line.split(": ")[:2] for line in lines] == [
        ["policy.toml:3", "limits.losst"],
        ["policy.toml:4", "limits.lag_ms"],
        ["policy.toml:5", "limits.reordered"],
        ["policy.toml:8", "evidence.reversible.1"],
        ["policy.toml:13", "routes.a b.limits.lost"],
        ["policy.toml:14", "routes.a b.limits.sth"],
    ]
    assert "expected a whole number, or 'any', found 'none'" in lines[4]


def test_a_name_that_neither_catalogue_nor_report_has_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_run(tmp_path / "run", [SHAPES[0]])
    (folder / "policy.toml").write_text(
        'path = "in-proces"\n[evidence]\nnot_taken = ["stop-frst", "rollback-*", "zz*"]\n'
        '[routes.flights]\npath = "restrt"\n'
    )
    path = "no path of the catalogue and no scenario of the report is called so"
    scenario = "evidence.not_taken: {}: no scenario of the catalogue or of the report has this name"
    assert build([folder]).report.missing == [
        f"policy.toml: path: in-proces: {path}, did you mean in-process?.",
        f"policy.toml: routes.flights.path: restrt: {path}, did you mean restart?.",
        f"policy.toml: {scenario.format('stop-frst')}, did you mean stop-first?.",
        f"policy.toml: {scenario.format('zz*')}.",
    ]
    caplog.clear()
    check_policy(folder)  # before a rehearsal, whose own scenarios are not known: only what is probably misspelt
    assert len(caplog.messages) == 3
    (folder / "policy.toml").write_text(f'path = "in-process"\n[evidence]\nnot_taken = ["{SHAPES[0].name}"]\n')
    assert build([folder]).report.missing == []


def test_every_fault_and_setting_can_be_named(tmp_path: Path) -> None:
    faults = [each.name for scenario in load_all() for each in scenario.faults]
    read = policy(
        tmp_path,
        f"[evidence]\nfaults = {sorted(set(faults))}\n[clients.a]\n" + "".join(f"'{name}' = 1\n" for name in SETTINGS),
    )
    assert set(read.evidence.faults) == set(faults)
    assert list(read.clients["a"]) == list(SETTINGS)


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml: cannot be read"):
        read_policy(tmp_path / "gone.toml")


def test_the_documented_example_is_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "policy.md").read_text("utf-8")
    example = page.split("```toml\n")[1].split("```")[0]
    read = policy(tmp_path, example)
    assert read.name == "payments, Q1"
    assert read.limits_of("orders").duplicated_on_switchover == 0
    assert set(read.clients["billing"]) == set(SETTINGS), "every setting of the report is documented"


def test_limits_with_earlier_names_get_one_line_of_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "[limits]\ndisordered = 3\nproducer_pause_ms = 5\n[routes.orders.limits]\nconsumer_pause_ms = 6\n"
    read = policy(tmp_path, text)
    assert (read.limits.reordered, read.limits.producer_blackout_ms) == (3, 5)
    assert read.limits_of("orders").consumer_blackout_ms == 6
    (line,) = caplog.messages
    assert line.endswith(
        "policy.toml: names of an earlier version: disordered (now reordered), producer_pause_ms (now "
        "producer_blackout_ms), consumer_pause_ms (now consumer_blackout_ms): rename them"
    )


def test_a_limit_with_both_names_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"limits\.disordered"):
        policy(tmp_path, "[limits]\ndisordered = 3\nreordered = 3\n")


def test_present_names_get_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy(tmp_path, "[limits]\nreordered = 3\nproducer_blackout_ms = 5\n")
    assert not caplog.messages


def test_a_table_of_a_route_that_the_report_does_not_have_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = write_run(tmp_path / "run", [SHAPES[0]])
    (folder / "policy.toml").write_text("[routes.flight.limits]\nlag_records = 0\n", "utf-8")
    line = "policy.toml: [routes.flight] is of no route of this report (flights), so it is applied to nothing."
    assert build([folder]).report.missing == [line]
    assert [record.getMessage() for record in caplog.records] == [line]
    (folder / "policy.toml").write_text("[routes.flights.limits]\nlag_records = 0\n", "utf-8")
    report = build([folder]).report
    assert (report.missing, report.decision) == ([], "NO-GO")

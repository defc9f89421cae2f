"""What a person types: times, sizes, names of topics, properties of a cluster, and contradictions."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cutover_harness.capture.cluster import select
from cutover_harness.capture.command import app, check, mask_what
from cutover_harness.capture.describe import chart
from cutover_harness.capture.options import RecordOptions
from cutover_harness.capture.units import moment_ms, size_bytes, span_s
from cutover_harness.errors import UsageError
from cutover_harness.properties_file import read_properties
from cutover_scenarios import sample_capture
from typer.testing import CliRunner

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def test_times_and_sizes() -> None:
    assert [span_s("--x", t) for t in ("90s", "10m", "1.5h", "2d", "250ms")] == [90, 600, 5400, 172_800, 0.25]
    assert [size_bytes("--x", t) for t in ("10", "2k", "1.5m", "1GB")] == [10, 2048, 1_572_864, 1 << 30]
    assert moment_ms("--x", "2026-01-01T00:00:00+01:00", NOW) == 1_767_222_000_000
    assert moment_ms("--x", "2026-01-01", NOW) == 1_767_225_600_000
    assert moment_ms("--x", "24h", NOW) == 1_767_225_600_000


@pytest.mark.parametrize("text", ["", "10", "-3s", "0m", "1y", "yesterday"])
def test_no_time(text: str) -> None:
    with pytest.raises(UsageError, match="--from"):
        span_s("--from", text)
    if text != "10":
        with pytest.raises(UsageError, match="--from"):
            moment_ms("--from", text, NOW)


@pytest.mark.parametrize("text", ["", "many", "-1", "0", "5x"])
def test_no_size(text: str) -> None:
    with pytest.raises(UsageError, match="--rate"):
        size_bytes("--rate", text)


def test_topics_by_name_and_glob() -> None:
    found = ["orders", "orders.eu", "orders.us", "__consumer_offsets", "audit"]
    assert select(found, ["orders*"], []) == ["orders", "orders.eu", "orders.us"]
    assert select(found, ["*"], ["orders.*"]) == ["audit", "orders"]
    assert select(found, ["__consumer_offsets"], []) == ["__consumer_offsets"]
    assert select(found, ["none"], []) == []


def test_properties_with_secrets_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from a file\n", encoding="utf-8")
    file = tmp_path / "c.properties"
    file.write_text(
        "# a comment\n\nbootstrap.servers=h:1,i:2\nsasl.password = ${PW}=x\n"
        f"ssl.key.password=${{file:{tmp_path}/secret}}\n",
        encoding="utf-8",
    )
    assert read_properties(file, {"PW": "s3cret"}) == {
        "bootstrap.servers": "h:1,i:2",
        "sasl.password": "s3cret=x",
        "ssl.key.password": "from a file",
    }


def test_a_file_of_a_reference_is_relative_to_the_properties(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    for folder in (there, elsewhere):
        folder.mkdir()
        (folder / "secret").write_text(f"of {folder.name}\n", encoding="utf-8")
    (there / "c.properties").write_text("bootstrap.servers=h:1\nsasl.password=${file:secret}\n", encoding="utf-8")
    for folder, file in (
        (elsewhere, "../there/c.properties"),
        (there, "c.properties"),
        (tmp_path, "there/c.properties"),
    ):
        monkeypatch.chdir(folder)
        assert read_properties(Path(file))["sasl.password"] == "of there"
    (there / "secret").unlink()
    monkeypatch.chdir(elsewhere)
    with pytest.raises(UsageError, match=r"line 2: \.\./there/secret: cannot be read"):
        read_properties(Path("../there/c.properties"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nonsense\n", "line 1: expected name=value"),
        ("a=b\n", "bootstrap.servers is missing"),
        ("bootstrap.servers=x\nsasl.password=${NO}\n", "line 2: the environment has no variable NO"),
        ("bootstrap.servers=x\nsasl.jaas.config=secret-value\n", "use sasl.username"),
        ("bootstrap.servers=x\nssl.key.password=${file:/no/such/file}\n", "/no/such/file: cannot be read"),
    ],
)
def test_bad_properties_are_named_without_their_values(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "c.properties"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as error:
        read_properties(file, {})
    assert says in str(error.value)
    assert "secret-value" not in str(error.value)
    with pytest.raises(UsageError, match="cannot be read"):
        read_properties(tmp_path / "none", {})


def test_contradictions() -> None:
    with pytest.raises(UsageError, match="--to and --duration"):
        check(RecordOptions(("t",), until_ms=5, duration_s=1))
    with pytest.raises(UsageError, match="--from is not before --to"):
        check(RecordOptions(("t",), since_ms=5, until_ms=5))
    check(RecordOptions(("t",), since_ms=4, until_ms=5))
    with pytest.raises(UsageError, match="--mask everything"):
        mask_what("everything")
    assert mask_what("keys") == "keys"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "no topics"),
        (["t"], "--out FILE is missing"),
        (["t", "--out", "x"], "give the cluster"),
        (["t", "--out", "x", "--bootstrap", "h:1", "--cluster", "f"], "give the cluster"),
        (["--info", "/no/such/capture"], "no such file"),
    ],
)
def test_invalid_commands_name_the_missing_option(arguments: list[str], says: str) -> None:
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, UsageError)
    assert says in str(result.exception)


def test_info_shows_rates_sizes_keys_and_partitions() -> None:
    result = CliRunner().invoke(app, ["--info", str(sample_capture())])
    assert result.exit_code == 0, result.output
    lines = {line.split()[0]: line for line in result.output.splitlines() if line.startswith("flights.arrived")}
    assert "12,658 records" in result.output
    assert "at most 10 records in one second" in result.output
    assert "6,061" in result.output
    assert "2,045" in result.output, "different keys"
    assert "17 % in 2" in lines["flights.arrived"]


def test_chart() -> None:
    assert chart([0, 1, 8, 4]) == " ▁█▄"
    assert chart([]) == ""

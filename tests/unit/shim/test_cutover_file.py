"""What a cutover file can contain, and that everything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_shim import CutoverFileError
from cutover_shim.cutover_file import parse
from hypothesis import given, settings
from hypothesis import strategies as st

GOOD = """
generation = 7
[clusters.source]
"bootstrap.servers" = "a:1"
[clusters.target]
bootstrap.servers = "${HOST}:2"
"acks" = "all"
"enable.idempotence" = true
"sasl.password" = "${PASSWORD}"
[routes.orders]
topics = ["orders", "orders.*"]
groups = ["billing", "ship-*"]
producers = "source"
consumers = "hold"
"""
ENV = {"HOST": "b", "PASSWORD": "hunter2-secret"}


def changed(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_file() -> None:
    file = parse(GOOD, ENV)
    assert file.generation == 7
    assert dict(file.clusters["target"].properties) == {
        "bootstrap.servers": "b:2",
        "acks": "all",
        "enable.idempotence": "true",
        "sasl.password": "hunter2-secret",
    }
    assert file.routes["orders"].consumers == "hold"
    assert file.route_of_topic("orders") == file.route_of_topic("orders.eu") == "orders"
    assert file.route_of_topic("payments") is None
    assert file.route_of_group("ship-7") == "orders"


BAD = [
    ("generation = 7", "", "generation"),
    ("generation = 7", "generation = true", "generation"),
    ("generation = 7", "generation = -1", "generation"),
    ("generation = 7", 'generation = "7"', "generation"),
    ("generation = 7", "generation = 7\nowner = 'x'", "unknown key 'owner'"),
    ("[clusters.target]", "[clusters.third]", "clusters: unknown key 'third'"),
    ('"bootstrap.servers" = "a:1"', "", 'clusters.source: "bootstrap.servers" is required'),
    ('"acks" = "all"', '"acks" = ["all"]', "clusters.target.'acks': a string, number or boolean"),
    ("${PASSWORD}", "${ABSENT}", "'ABSENT' is not set"),
    ("${PASSWORD}", "${file:/nowhere/secret}", "/nowhere/secret"),
    ('producers = "source"', 'producers = "away"', "routes.orders.producers"),
    ('consumers = "hold"', "", "'consumers' is missing"),
    ('groups = ["billing", "ship-*"]', 'groups = "billing"', "routes.orders.groups: a list"),
    ('topics = ["orders", "orders.*"]', "topics = []", "routes.orders.topics"),
    ('consumers = "hold"', 'consumers = "hold"\nspeed = 1', "unknown key 'speed'"),
    ("[routes.orders]", "[routes.orders", "not valid TOML: at line"),
    ("[routes.orders]", "[elsewhere.orders]", "unknown key 'elsewhere'"),
]


@pytest.mark.parametrize(("old", "new", "expected"), BAD)
def test_bad_files_are_refused_with_a_line_that_names_the_place(old: str, new: str, expected: str) -> None:
    with pytest.raises(CutoverFileError) as caught:
        parse(changed(old, new), ENV)
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_name_in_two_routes_is_refused() -> None:
    other = GOOD[GOOD.index("[routes.orders]") :].replace("routes.orders", "routes.other")
    with pytest.raises(CutoverFileError, match="'orders' is in the route orders too"):
        parse(GOOD + other, ENV)
    file = parse(
        GOOD + other.replace('"orders", "orders.*"', '"orders.special"').replace('"billing", "ship-*"', '"x"'), ENV
    )
    assert file.route_of_topic("orders.special") == "other"  # a name wins over another route's glob
    both = parse(GOOD + other.replace('"orders", "orders.*"', '"*.eu"').replace('"billing", "ship-*"', '"x"'), ENV)
    with pytest.raises(CutoverFileError, match="globs of the routes orders, other"):
        both.route_of_topic("orders.eu")


def test_secrets_from_files_and_in_no_text(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("s3cret-from-file\n")
    file = parse(changed("${PASSWORD}", "${file:" + str(secret) + "}"), ENV)
    target = file.clusters["target"]
    assert target.properties["sasl.password"] == "s3cret-from-file"
    assert "s3cret" not in repr(file) + str(file) + repr(target)
    assert target.redact("bad value s3cret-from-file here") == "bad value *** here"


def test_secrets_are_in_no_exception() -> None:
    with pytest.raises(CutoverFileError) as caught:
        parse(changed('producers = "source"', 'producers = "hunter2"') + '\n"sasl.password" = "hunter2', ENV)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__  # tomllib's own error may quote the text


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(GOOD)), st.integers(0, 40), st.text(max_size=6))
def test_fuzz_a_damaged_file_is_good_or_refused(at: int, cut: int, put: str) -> None:
    try:
        parse(GOOD[:at] + put + GOOD[at + cut :], ENV)
    except CutoverFileError as error:
        said = str(error)
    else:
        said = ""
    assert "hunter2" not in said


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_fuzz_any_text(text: str) -> None:
    with pytest.raises(CutoverFileError):
        parse(text, {})


def test_a_file_cut_short_anywhere_is_refused() -> None:
    whole = parse(GOOD, ENV)
    for end in range(len(GOOD)):
        try:
            file = parse(GOOD[:end], ENV)
        except CutoverFileError:
            continue
        assert file == whole  # only white space was cut

"""Changes that a person asks for: few changed lines, comments kept, and nothing that cannot be meant."""

from __future__ import annotations

import difflib
import tomllib
from typing import Any

import pytest
from cutover_harness.channels.editing import changed, edited
from cutover_harness.channels.redaction import holds_secret, redacted, redacted_text, secrets_in
from cutover_harness.channels.stranding import reads_elsewhere, stranded, warnings
from cutover_harness.errors import UsageError

BODY = """\
# our fleet
generation = 7   # bumped by hand

[clusters.source]
bootstrap.servers = "a:1"
"sasl.password" = "${PW}"

[clusters.target]
"bootstrap.servers" = "b:1"

[ routes.orders ]  # the orders
topics = ["orders", "orders.*"]  # both
groups = [
  "billing",   # pays
  "shipping",
]
producers = 'source'
consumers = "source"

[routes."other.one"]
topics = ["x"]
groups = []
producers = "source"
consumers = "source"
"""


def after(*changes: str, body: str = BODY) -> dict[str, Any]:
    return changed(tomllib.loads(body), changes)


def lines(new: str) -> list[str]:
    found = difflib.unified_diff(BODY.splitlines(), new.splitlines(), lineterm="", n=0)
    return [line for line in found if line[0] in "+-" and line[:3] not in ("+++", "---")]


def test_only_the_lines_that_change_change() -> None:
    document = after("orders.consumers=hold", "other.one.producers=target") | {"generation": 8}
    text = edited(BODY, document)
    assert tomllib.loads(text) == document
    assert lines(text) == [
        "-generation = 7   # bumped by hand",
        "+generation = 8   # bumped by hand",
        '-consumers = "source"',
        '+consumers = "hold"',
        '-producers = "source"',
        '+producers = "target"',
    ]


def test_lists_on_one_line_stay_there() -> None:
    text = edited(BODY, after("route.orders.topics+=returns"))
    assert lines(text) == [
        '-topics = ["orders", "orders.*"]  # both',
        '+topics = ["orders", "orders.*", "returns"]  # both',
    ]


def test_what_cannot_be_edited_is_written_anew() -> None:
    document = after("orders.groups+=audit")
    assert tomllib.loads(edited(BODY, document)) == document
    inline = 'generation = 1\nroutes.r = {topics = ["t"], groups = [], producers = "source", consumers = "source"}\n'
    document = after("r.producers=hold", body=inline)
    assert tomllib.loads(edited(inline, document)) == document
    tricky = BODY.replace('topics = ["x"]', 'topics = """generation = 7\n[routes.orders]\nconsumers = "x" """')
    document = tomllib.loads(tricky)
    document["generation"], document["routes"]["orders"]["consumers"] = 8, "hold"
    assert tomllib.loads(edited(tricky, document)) == document


def test_properties_of_clusters() -> None:
    found = after(
        "clusters.source.bootstrap.servers=c:1,d:1", "clusters.target.acks=all", "clusters.source.sasl.password="
    )
    assert found["clusters"] == {
        "source": {"bootstrap": {"servers": "c:1,d:1"}},
        "target": {"bootstrap.servers": "b:1", "acks": "all"},
    }
    assert after("clusters.source.sasl.password=${file:/pw}")["clusters"]["source"]["sasl.password"] == "${file:/pw}"
    assert tomllib.loads(edited(BODY, found)) == found


def test_lists_of_names() -> None:
    assert after("orders.topics-=orders.*")["routes"]["orders"]["topics"] == ["orders"]
    assert after("orders.groups=")["routes"]["orders"]["groups"] == []
    assert after("orders.groups=a, b")["routes"]["orders"]["groups"] == ["a", "b"]
    new = after("new.topics+=n", "new.groups+=m")["routes"]["new"]
    assert new == {"topics": ["n"], "groups": ["m"], "producers": "source", "consumers": "source"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("orders", "is no change: write ROUTE.producers=target"),
        ("producers=target", "names nothing that can be changed"),
        ("orders.location=target", "names nothing that can be changed"),
        ("generation=9", "names nothing that can be changed"),
        ("nope.producers=target", "there is no route 'nope': the routes are orders, other.one"),
        ("nope.groups+=g", "there is no route 'nope'"),
        ("orders.producers=targte", "one of source, hold, target"),
        ("orders.producers+=target", "one of source, hold, target"),
        ("orders.topics+=", "has an empty name"),
        ("orders.topics=a,,b", "has an empty name"),
        ("orders.topics=", "would leave orders without topics"),
        ("orders.topics-=none", "'none' is not among the topics of orders"),
        ("orders.groups+=billing", "'billing' is among the groups of orders already"),
        ("clusters.source.sasl.password=hunter-two", "holds a secret, .* write \\${file:PATH}"),
        ("clusters.source.sasl.password=hunter-two ${PW}", "holds a secret"),
        ("clusters.middle.acks=all", "names no property"),
        ("clusters.source.acks=", "source has no property 'acks' to remove"),
        ("clusters.source.acks+=all", "names no property"),
    ],
)
def test_what_cannot_be_meant_is_refused(change: str, why: str) -> None:
    with pytest.raises(UsageError, match=why) as refused:
        after(change)
    assert "hunter-two" not in str(refused.value)
    assert "\n" not in str(refused.value)


def strands(*changes: str) -> list[str]:
    before = tomllib.loads(BODY)
    return stranded(before["routes"], changed(before, changes)["routes"])


@pytest.mark.parametrize(
    "changes",
    [
        ("orders.topics-=orders",),
        ("orders.topics-=orders", "other.one.topics+=orders"),
        ("orders.groups-=billing",),
        ("orders.groups-=billing", "other.one.groups+=billing"),
        ("other.one.topics+=orders.eu",),
        ("orders.topics=orders",),
    ],
)
def test_a_group_that_would_lose_its_topics_is_named(changes: tuple[str, ...]) -> None:
    found = strands(*changes)
    assert found
    assert all("'billing'" in line or "'shipping'" in line for line in found)
    assert all(line.endswith("keep both in one route") for line in found)


@pytest.mark.parametrize(
    "changes",
    [
        ("orders.producers=target",),
        ("orders.topics+=returns",),
        ("orders.groups+=audit",),
        ("orders.topics=orders*",),  # a wider glob
        ("new.topics=orders,orders.*", "new.groups=billing,shipping", "orders.topics=y", "orders.groups="),
        ("other.one.topics=y",),  # no group reads it
    ],
)
def test_a_change_that_keeps_groups_with_their_topics_is_not(changes: tuple[str, ...]) -> None:
    assert strands(*changes) == []


def test_a_glob_that_takes_a_group_away_is_found() -> None:
    before = {"r": {"topics": ["t"], "groups": ["g*"]}, "s": {"topics": ["u"], "groups": []}}
    after_ = {"r": {"topics": ["t"], "groups": ["g*"]}, "s": {"topics": ["u"], "groups": ["g1"]}}
    assert stranded(before, after_) == [
        "group 'g1' would be in route s, and topic 't', which was in its route r, in route r: keep both in one route"
    ]


def test_a_route_that_is_dropped_whole_strands_nobody() -> None:
    before = tomllib.loads(BODY)["routes"]
    rest = {"other.one": before["other.one"]}
    assert stranded(before, rest) == []
    assert warnings(before, rest) == ["route orders: is dropped: its clients stay where they are"]


def test_warnings() -> None:
    before = tomllib.loads(BODY)
    assert warnings(before["routes"], after("orders.consumers=target")["routes"]) == []
    assert warnings(before["routes"], after("orders.producers=hold")["routes"]) == []
    assert warnings(before["routes"], after("orders.producers=target", "orders.consumers=target")["routes"]) == []
    found = warnings(before["routes"], after("orders.producers=target")["routes"])
    assert found[0].startswith("route orders: producers go to the target while consumers are on source")
    later = after("orders.producers=target", "orders.consumers=hold")
    found = warnings(later["routes"], changed(later, ["orders.topics+=new"])["routes"])
    assert len(found) == 1
    assert found[0].startswith("route orders: new would follow producers and consumers immediately, to target, hold: ")


def test_groups_that_read_topics_of_another_route() -> None:
    routes = tomllib.loads(BODY)["routes"]
    reads = {"billing": ["orders", "orders.eu"], "shipping": ["orders", "x"], "audit": ["orders"], "else": ["y"]}
    found = reads_elsewhere(routes, reads)
    assert [line.removesuffix(": name both in one route") for line in found] == [
        "group 'audit' is in no route, and topic 'orders', which it has read, in route orders",
        "group 'shipping' is in route orders, and topic 'x', which it has read, in route other.one",
    ]


def test_secrets_are_hidden_and_references_are_not() -> None:
    body = BODY.replace("${PW}", "hunter-two") + "\n# the password is hunter-two\n"
    assert secrets_in(tomllib.loads(body)) == [("source", "sasl.password")]
    shown = redacted_text(body)
    assert "hunter-two" not in shown
    assert "# our fleet" in shown, "comments are kept"
    assert tomllib.loads(shown) == redacted(tomllib.loads(body))
    assert redacted_text(BODY) == BODY


@pytest.mark.parametrize("value", ["a", 'sec"ret\\n', "true", "x\ny"])
def test_odd_secrets_are_hidden_too(value: str) -> None:
    import tomli_w

    document = tomllib.loads(BODY)
    document["clusters"]["source"]["sasl.password"] = value
    shown = tomllib.loads(redacted_text(tomli_w.dumps(document)))
    assert shown["clusters"]["source"]["sasl.password"] == "***"
    assert shown["routes"] == document["routes"]
    url = {"clusters": {"source": {"sasl.oauthbearer.token.endpoint.url": "https://me:pw@host/token"}}}
    assert "pw" not in str(redacted(url))


@pytest.mark.parametrize(
    ("address", "secret"),
    [
        ("https://login.example/oauth2/token", False),
        ("https://${HOST}/oauth2/token", False),
        ("https://me:pw@login.example/token", True),
        ("https://login.example/token?key=pw", True),
    ],
)
def test_the_address_of_a_token_endpoint_is_no_secret_itself(address: str, secret: bool) -> None:
    name = "sasl.oauthbearer.token.endpoint.url"
    assert holds_secret(name, address) is secret
    found = redacted({"clusters": {"source": {name: address}}})["clusters"]["source"][name]
    assert (found == address) is not secret
    assert "pw" not in found
    assert holds_secret("sasl.oauthbearer.client.secret", "pw")

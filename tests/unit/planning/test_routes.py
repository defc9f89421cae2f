"""Routes: each topic is in exactly one, nobody's topics are split, and what is together is tied."""

from __future__ import annotations

from cutover_harness.inventory.model import ConnectCluster, Connector, GroupTopic
from cutover_harness.planning.links import Link, links_of
from cutover_harness.planning.routes import Route, chain, routes_of
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.planning.listings import group, listing, producer, shim_producer, topic, topics_of

NAMES = [f"t{number:02}" for number in range(12)]
CLIENTS = st.lists(
    st.tuples(st.sampled_from(["group", "app", "transactional id"]), st.sets(st.sampled_from(NAMES), min_size=1)),
    max_size=8,
)


def links_from(drawn: list[tuple[str, set[str]]]) -> list[Link]:
    return [
        Link(kind, f"c{number}", tuple(sorted(topics)), "")  # type: ignore[arg-type]
        for number, (kind, topics) in enumerate(drawn)
    ]


@given(CLIENTS)
def test_each_topic_is_in_one_route_and_no_client_is_split(drawn: list[tuple[str, set[str]]]) -> None:
    links = links_from(drawn)
    routes = routes_of(NAMES, links)
    assert sorted(name for route in routes for name in route.topics) == NAMES
    for link in links:
        assert [set(link.topics) <= set(route.topics) for route in routes].count(True) == 1
        assert [link in route.links for route in routes].count(True) == 1


@given(CLIENTS)
def test_what_is_together_is_tied_by_a_chain_of_clients(drawn: list[tuple[str, set[str]]]) -> None:
    for route in routes_of(NAMES, links_from(drawn)):
        for end in route.topics:
            at = route.topics[0]
            for link, following in chain(route, at, end):
                assert {at, following} <= set(link.topics)
                at = following
            assert at == end


@given(CLIENTS, st.randoms())
def test_the_order_of_what_is_listed_does_not_matter(drawn: list[tuple[str, set[str]]], random: object) -> None:
    links = links_from(drawn)
    shuffled, names = list(links), list(NAMES)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    random.shuffle(names)  # type: ignore[attr-defined]
    assert routes_of(names, shuffled) == routes_of(NAMES, links)


def names_of(routes: list[Route]) -> list[tuple[str, ...]]:
    return [route.topics for route in routes]


def test_groups_apps_and_transactional_ids_tie_topics() -> None:
    found = listing(
        [
            *topics_of(["a", "b", "c", "lonely"]),
            topic("d", producers=[producer(1, "tx")]),
            topic("e", producers=[producer(1, "tx"), producer(2)]),
            topic("f", producers=[producer(2)]),
        ],
        [group("g", ["a", "b"]), group("left-out", ["a", "lonely"])],
        [shim_producer("app", ["b", "c"])],
    )
    every = [each.name for each in found.clusters["source"].topics]
    links = links_of(found, every, ["g"])
    assert names_of(routes_of(every, links)) == [("a", "b", "c"), ("d", "e"), ("f",), ("lonely",)]
    assert [link.title for link in links] == ["app app", "group g", "transactional id tx"]
    assert all(link.evidence for link in links)


def test_topics_that_do_not_move_tie_nothing() -> None:
    found = listing(topics_of(["a", "b"]), [group("g", ["a", "b", "deleted"])])
    assert links_of(found, ["a"], ["g"])[0].topics == ("a",)


def test_a_producer_on_the_target_ties_nothing() -> None:
    moved = shim_producer("app", ["a", "b"], topics_on={"target": ["a", "b"]})
    assert links_of(listing(topics_of(["a", "b"]), [], [moved]), ["a", "b"], []) == []


def test_a_streams_application_is_tied_by_its_transactional_ids_and_topics() -> None:
    process = "app-0b6f7a3e-1111-2222-3333-444455556666-1"
    found = listing(
        [
            *topics_of(["in", "app-store-changelog", "application-store-changelog"]),
            topic("out", producers=[producer(1, process)]),
            topic("old", producers=[producer(2, "app-0_3")]),
            topic("other", producers=[producer(3, "app-x")]),
        ],
        [group("app", ["in"])],
    )
    every = [each.name for each in found.clusters["source"].topics]
    routes = routes_of(every, links_of(found, every, ["app"]))
    assert names_of(routes) == [
        ("app-store-changelog", "in", "old", "out"),
        ("application-store-changelog",),
        ("other",),
    ]


def test_a_source_connector_ties_the_topics_that_it_writes_on_the_source() -> None:
    connector = Connector(name="erp", type="source", class_name="x", state="RUNNING", tasks={}, topics=["a", "b"])
    connect = ConnectCluster(url="http://connect:8083", cluster="source", connectors=[connector])
    found = listing(topics_of(["a", "b"]), connect=[connect])
    assert [link.title for link in links_of(found, ["a", "b"], [])] == ["connector erp"]
    connect.cluster = "target"
    assert links_of(found, ["a", "b"], []) == []


def test_a_group_that_is_only_assigned_is_tied_too() -> None:
    joined = group("g", [], ["m"])
    joined.topics = [GroupTopic(topic="a", assigned=1), GroupTopic(topic="b", assigned=1)]
    (link,) = links_of(listing(topics_of(["a", "b"]), [joined]), ["a", "b"], ["g"])
    assert (link.topics, link.evidence) == (("a", "b"), "its members have partitions of 2 topics")

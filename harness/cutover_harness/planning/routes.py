"""Routes: the smallest sets of topics that no client is split between. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import networkx

from cutover_harness.planning.links import Link


@dataclass(frozen=True)
class Route:
    """Topics that have to move together, and the clients that use them."""

    topics: tuple[str, ...]
    links: tuple[Link, ...]

    @property
    def ties(self) -> tuple[Link, ...]:
        """The clients that use several of the topics: they are why these are together."""
        return tuple(link for link in self.links if len(link.topics) > 1)


def routes_of(topics: Collection[str], links: Iterable[Link]) -> list[Route]:
    """Return the routes, by the first name of their topics: the connected components of topics and clients."""
    links = list(links)
    graph = graph_of(topics, links)
    found = []
    by_topic: dict[str, list[Link]] = {}
    for link in links:
        by_topic.setdefault(link.topics[0], []).append(link)
    for component in networkx.connected_components(graph):
        names = sorted(name for kind, name in component if kind == "topic")
        its = [link for name in names for link in by_topic.get(name, ())]
        found.append(Route(tuple(names), tuple(sorted(its, key=lambda link: (link.kind, link.name)))))
    return sorted(found, key=lambda route: route.topics)


def graph_of(topics: Collection[str], links: Iterable[Link]) -> networkx.Graph:
    """Return the graph whose nodes are topics and clients, and whose edges are that a client uses a topic."""
    graph = networkx.Graph()
    graph.add_nodes_from(("topic", topic) for topic in topics)
    for link in links:
        graph.add_edges_from(((link.kind, link.name), ("topic", topic)) for topic in link.topics)
    return graph


def chain(route: Route, start: str, end: str) -> list[tuple[Link, str]]:
    """Return the shortest chain from one topic of the route to another: clients, each with the topic it leads to."""
    graph = graph_of(route.topics, route.ties)
    nodes = networkx.shortest_path(graph, ("topic", start), ("topic", end))
    clients = {(link.kind, link.name): link for link in route.ties}
    return [(clients[client], topic) for client, (_, topic) in zip(nodes[1::2], nodes[2::2], strict=True)]

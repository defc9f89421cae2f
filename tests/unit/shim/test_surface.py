"""The shim has the whole surface of the installed confluent_kafka, so that a release which adds to it is noticed."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import confluent_kafka
import cutover_shim
import pytest
from confluent_kafka import cimpl

CLASSES = ["Producer", "Consumer"]
# __new__ and the like are Python's own; __reduce__ would pickle a connection.
NOT_METHODS = {"__doc__", "__module__"}


def stub_signatures(name: str) -> dict[str, list[tuple[str, Any]]]:
    """Read the parameters that the client's type stub gives a class's methods."""
    tree = ast.parse((Path(confluent_kafka.__file__).parent / "cimpl.pyi").read_text())
    node = next(n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == name)
    out: dict[str, list[tuple[str, Any]]] = {}
    for method in node.body:
        if not isinstance(method, ast.FunctionDef) or any("overload" in ast.dump(d) for d in method.decorator_list):
            continue
        arguments = method.args.args[1:]
        defaults: list[Any] = [inspect.Parameter.empty] * (len(arguments) - len(method.args.defaults))
        defaults += [ast.literal_eval(d) for d in method.args.defaults]
        out[method.name] = list(zip((a.arg for a in arguments), defaults, strict=True))
    return out


@pytest.mark.parametrize("name", CLASSES)
def test_every_method_of_the_client_is_overridden(name: str) -> None:
    shell, client = getattr(cutover_shim, name), getattr(cimpl, name)
    missing = set(vars(client)) - NOT_METHODS - set(vars(shell))
    assert not missing, f"cutover_shim.{name} lacks {missing}: the base is never initialised, so they would not work"


@pytest.mark.parametrize("name", CLASSES)
def test_signatures_are_those_of_the_clients_stub(name: str) -> None:
    shell = getattr(cutover_shim, name)
    stub = stub_signatures(name)
    assert len(stub) > 10
    for method, expected in stub.items():
        found = [(p.name, p.default) for p in list(inspect.signature(getattr(shell, method)).parameters.values())[1:]]
        assert found == expected, f"{name}.{method}"


@pytest.mark.parametrize("name", CLASSES)
def test_is_an_instance_of_the_clients_class(name: str) -> None:
    assert issubclass(getattr(cutover_shim, name), getattr(confluent_kafka, name))


def test_without_a_file_it_is_the_client_with_nothing_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUTOVER_FILE", raising=False)
    producer = cutover_shim.Producer({"bootstrap.servers": "127.0.0.1:1", "cutover.status": "/x", "log_level": 0})
    assert type(producer).produce is cimpl.Producer.produce
    assert isinstance(producer, cutover_shim.Producer)
    producer.close()
    consumer = cutover_shim.Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0})
    assert type(consumer).poll is cimpl.Consumer.poll
    assert isinstance(consumer, cutover_shim.Consumer)
    consumer.close()


def test_asyncio_and_serializing_clients_keep_the_clients_signatures() -> None:
    from confluent_kafka import aio

    for name in ("AIOProducer", "AIOConsumer"):
        ours, theirs = getattr(cutover_shim, name), getattr(aio, name)
        assert issubclass(ours, theirs)
        assert inspect.signature(ours) == inspect.signature(theirs)
    for name in ("SerializingProducer", "DeserializingConsumer"):
        ours, theirs = getattr(cutover_shim, name), getattr(confluent_kafka, name)
        assert issubclass(ours, theirs)
        assert inspect.signature(ours.__init__) == inspect.signature(theirs.__init__)
        assert {n for n in vars(theirs) if not n.startswith("_")}.isdisjoint(vars(ours))


def test_every_client_that_confluent_kafka_exports_has_its_place_here() -> None:
    clients = {n for n in confluent_kafka.__all__ if n.endswith(("Producer", "Consumer"))}
    assert clients <= set(cutover_shim.__all__), "a new kind of client: switch it, or let it stay and say so"


def test_the_surface_test_notices_a_new_method(monkeypatch: pytest.MonkeyPatch) -> None:
    class Grown(cimpl.Producer):
        def brand_new(self) -> None: ...

    monkeypatch.setattr(cimpl, "Producer", Grown)
    with pytest.raises(AssertionError, match="brand_new"):
        test_every_method_of_the_client_is_overridden("Producer")

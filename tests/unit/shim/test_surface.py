"""The shim has the whole interface of the installed confluent_kafka: a release that adds to it fails here."""

from __future__ import annotations

import ast
import inspect
import re
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_type_hints

import confluent_kafka
import cutover_shim
import pytest
from confluent_kafka import cimpl
from cutover_shim import cutover_file
from cutover_shim.cutover_file import ClusterName

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
        assert ours is not theirs, "confluent_kafka.aio was imported first, and its classes were taken for the shim's"
        assert inspect.signature(ours) == inspect.signature(theirs)
    for name in ("SerializingProducer", "DeserializingConsumer"):
        ours, theirs = getattr(cutover_shim, name), getattr(confluent_kafka, name)
        assert issubclass(ours, theirs)
        assert inspect.signature(ours.__init__) == inspect.signature(theirs.__init__)
        assert {n for n in vars(theirs) if not n.startswith("_")}.isdisjoint(vars(ours))


def test_every_client_of_confluent_kafka_is_exported() -> None:
    clients = {n for n in confluent_kafka.__all__ if n.endswith(("Producer", "Consumer"))}
    assert clients <= set(cutover_shim.__all__), "a new kind of client: switch it, or let it stay and say so"


def test_the_surface_test_notices_a_new_method(monkeypatch: pytest.MonkeyPatch) -> None:
    class Grown(cimpl.Producer):
        def brand_new(self) -> None: ...

    monkeypatch.setattr(cimpl, "Producer", Grown)
    with pytest.raises(AssertionError, match="brand_new"):
        test_every_method_of_the_client_is_overridden("Producer")


def test_the_version_is_the_distributions() -> None:
    assert cutover_shim.__version__ == version("kafka-cutover")


def test_the_cluster_is_a_literal_on_every_client() -> None:
    clients = [getattr(cutover_shim, n) for n in cutover_shim.__all__ if n.endswith(("Producer", "Consumer", "Client"))]
    assert len(clients) == 9
    for client in clients:
        if client is not None:  # share consumers: not in every confluent_kafka
            assert get_type_hints(client.cutover_cluster)["return"] == ClusterName | None, client


def test_the_cutover_files_module_is_public_as_documented(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docs = (Path(__file__).parents[3] / "docs" / "cutover-file.md").read_text()
    for name in cutover_file.__all__:
        assert getattr(cutover_file, name) is not None
        assert f"`{name}" in docs, f"docs/cutover-file.md lacks {name}"
    example = docs[docs.index("```python") :].split("```")[1].removeprefix("python\n")
    secret = tmp_path / "automq"
    secret.write_text("any\n")
    file = docs.split("```toml\n")[1].split("```")[0].replace("/run/secrets/automq", str(secret))
    (tmp_path / "cutover.toml").write_text(file)
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec(example, names)  # noqa: S102 - the documentation's own example
    assert names["file"].generation == 7


DOCS = (Path(__file__).parents[3] / "docs" / "shim.md").read_text()


def section(title: str) -> str:
    return DOCS.split(f"\n### {title}\n")[1].split("\n#")[0]


def unlisted_methods(name: str, text: str) -> set[str]:
    return {n for n in vars(getattr(cimpl, name)) if not n.startswith("_") and f"`{n}()`" not in text}


def unlisted_properties(text: str) -> set[str]:
    """Return the client properties that the shim's code names as a string and the text does not have."""
    found: set[str] = set()
    for file in Path(cutover_shim.__file__).parent.glob("*.py"):
        if file.name in {"kafka_channel.py", "api_server.py"}:
            continue  # the first one's consumer is the shim's own, the second one uses none
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(re.findall(r"^(?:[a-z]+(?:\.[a-z]+)+|[a-z]+_cb|on_delivery|on_commit)\.?$", node.value))
    other = ("cutover.", "opentelemetry.", "ddtrace.", "gevent.", "importlib.")
    properties = {n for n in found if not n.startswith(other)}
    return {n for n in properties if f"`{n}`" not in text and f"`{n}*`" not in text}


@pytest.mark.parametrize("name", CLASSES)
def test_the_docs_list_every_method_that_differs(name: str) -> None:
    assert unlisted_methods(name, section(name)) == set()


def test_the_docs_list_every_property_that_the_shim_reads_or_changes() -> None:
    assert unlisted_properties(section("Properties")) == set()


def test_the_check_of_the_docs_notices_what_is_missing() -> None:
    assert unlisted_methods("Consumer", section("Consumer").replace("`seek()`", "")) == {"seek"}
    assert unlisted_properties(section("Properties").replace("`group.id`", "")) == {"group.id"}
    assert unlisted_properties(section("Properties").replace("`sasl.oauthbearer.*`", "")) == {"sasl.oauthbearer."}

"""OpenTelemetry's and Datadog's instrumentation around the shim: clients are traced and switched, in either order.

Each case is an application of its own, since instrumentation and install() are for a whole process.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Switch
from .test_adopted import INSTALL, expect
from .test_adoption import run

OTEL_IMPORT = """
from opentelemetry.instrumentation.confluent_kafka import ConfluentKafkaInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
traced = lambda: [s.name for s in exporter.get_finished_spans()]
"""
OTEL_ON = "ConfluentKafkaInstrumentor().instrument(tracer_provider=provider)\n"
DATADOG = """
import logging; logging.disable(logging.CRITICAL)
from ddtrace import tracer
from ddtrace.contrib.internal.kafka.patch import patch
from ddtrace.trace import TraceFilter
names = []
class Keep(TraceFilter):
    def process_trace(self, trace):
        names.extend(s.name for s in trace)
tracer.configure(trace_processors=[Keep()])
patch()
traced = lambda: names
"""
BODY = """
import confluent_kafka, cutover_shim
from confluent_kafka import Producer, Consumer
assert issubclass(Producer, cutover_shim.Producer) and issubclass(Consumer, cutover_shim.Consumer)
p = Producer({'bootstrap.servers': 'ignored:1', 'log_level': 0})
p.produce(TOPIC, b'x')
assert p.flush(10) == 0
c = Consumer({'bootstrap.servers': 'ignored:1', 'group.id': GROUP, 'auto.offset.reset': 'earliest',
    'group.protocol': 'consumer', 'log_level': 0})
c.subscribe([TOPIC])
m = None
while m is None: m = c.poll(0.2)
c.close()
print(p.cutover_cluster(TOPIC), m.value().decode(), any('send' in n or 'produce' in n for n in traced()),
    any('recv' in n or 'process' in n or 'consume' in n for n in traced()))
"""
EARLY = "from confluent_kafka import Producer as Bound\n"
CHECK_EARLY = "assert issubclass(Bound, cutover_shim.Producer)\n"


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (OTEL_IMPORT + OTEL_ON + INSTALL, ""),
        (OTEL_IMPORT + OTEL_ON + EARLY + INSTALL, CHECK_EARLY),
        (INSTALL + OTEL_IMPORT + OTEL_ON, ""),
        (OTEL_IMPORT + INSTALL + OTEL_ON, ""),
        (DATADOG + INSTALL, ""),
        (DATADOG + EARLY + INSTALL, CHECK_EARLY),
        (INSTALL + DATADOG, ""),
    ],
    ids=["otel-shim", "otel-bound-shim", "shim-otel", "otel-imported-shim-otel", "dd-shim", "dd-bound-shim", "shim-dd"],
)
def test_clients_are_traced_and_switched(head: str, more: str, switch: Switch, topic: str, tmp_path: Path) -> None:
    expect(head, BODY + more, "target x True True\n", switch, topic, tmp_path)


def test_an_instrumentation_can_be_removed_again(switch: Switch, topic: str, tmp_path: Path) -> None:
    head = OTEL_IMPORT + OTEL_ON + INSTALL + "ConfluentKafkaInstrumentor().uninstrument()\n"
    expect(head, BODY, "target x False False\n", switch, topic, tmp_path)


@pytest.mark.parametrize(
    "imported",
    ["import opentelemetry.instrumentation.confluent_kafka", "import ddtrace.contrib.internal.kafka.patch"],
    ids=["otel", "dd"],
)
def test_no_warning_about_an_instrumentation_that_is_only_imported(imported: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        f"{imported}\nimport confluent_kafka\nclass Mine(confluent_kafka.Producer): pass\n{INSTALL}print('installed')\n"
    )
    done = run(str(app), DD_TRACE_ENABLED="false")
    assert done.stdout == "installed\n", done.stderr
    warned = [line for line in done.stderr.splitlines() if "is not switched" in line]
    assert len(warned) == 1, done.stderr
    assert "Mine was derived from" in warned[0]

"""Start two brokers on this machine and write a cutover file for them: somewhere to try an application.

Needs `pip install 'kafka-cutover[harness]'`. Ends with Ctrl-C.
"""

import signal
import threading
from pathlib import Path
from tempfile import TemporaryDirectory

from cutover_harness.admin import Admin
from cutover_harness.testbed import ProcessTestbed

FILE = """\
generation = 1

[clusters.source]
"bootstrap.servers" = "{source}"

[clusters.target]
"bootstrap.servers" = "{target}"

[routes.orders]
topics = ["orders", "invoices"]
groups = ["billing", "invoicing"]
producers = "source"
consumers = "source"
"""

ended = threading.Event()
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda *_: ended.set())
with TemporaryDirectory() as folder, ProcessTestbed(Path(folder)) as testbed:
    for cluster in (testbed.source, testbed.target):
        Admin(cluster.client_config()).create_topics({"orders": 3, "invoices": 3})
    text = FILE.format(source=testbed.source.bootstrap, target=testbed.target.bootstrap)
    Path("cutover.toml").write_text(text, encoding="utf-8")
    print("cutover.toml is written; Ctrl-C ends both brokers", flush=True)
    ended.wait()

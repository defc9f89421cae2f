"""The embedded S3 store as tests start it: somebody else's store, as far as a testbed or a judge is concerned."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cutover_harness.processes import spawn
from cutover_harness.testbed.automq.testbed import _STORE, _await_store
from cutover_harness.testbed.ports import Ports
from cutover_harness.testbed.s3 import S3Store, embedded_store


@contextmanager
def started_store(log: Path) -> Iterator[S3Store]:
    """Start a store on a port of its own, whose output is in `log`, and end it."""
    ports = Ports()
    store = embedded_store(ports.take())
    port = store.endpoint.rpartition(":")[2]
    process = spawn([sys.executable, "-P", str(_STORE), port], stdout=log, env=os.environ)
    try:
        _await_store(process, store)
        yield store
    finally:
        process.kill()
        ports.release()

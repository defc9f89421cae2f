"""The cutover shim: confluent_kafka's clients, whose cluster can be changed without restarting the application.

Replace `from confluent_kafka import Producer, Consumer` by `from cutover_shim import Producer, Consumer`, or change
nothing and start the application by `python -m cutover_shim app.py`. See docs/shim.md.
"""

from cutover_shim.consumer import Consumer
from cutover_shim.errors import CutoverFileError
from cutover_shim.producer import Producer

__all__ = ["Consumer", "CutoverFileError", "Producer"]

"""The locustfile of `kafka-cutover load`."""

import os

from cutover_harness.load.settings import VARIABLE, LoadSettings
from cutover_harness.load.users import ConsumerUser, ProducerUser

__all__ = ["ConsumerUser", "ProducerUser"]

if VARIABLE in os.environ:  # a worker on another machine gets its part from the master
    _settings = LoadSettings.load()
    ProducerUser.fixed_count = _settings.producers
    ConsumerUser.fixed_count = len(_settings.members)
    ProducerUser.abstract = not _settings.producers
    ConsumerUser.abstract = not _settings.members

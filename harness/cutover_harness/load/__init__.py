"""Load beyond one process or one machine: the replay as Locust users.

`kafka-cutover load` runs them; a locustfile of your own imports `ProducerUser` and `ConsumerUser` from
`cutover_harness.load.users`, with the settings in the file that the variable CUTOVER_LOAD names.
"""

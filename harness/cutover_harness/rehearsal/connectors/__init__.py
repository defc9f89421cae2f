"""Kafka's file connectors in a rehearsal: moved by the code of `run`, and accounted for in ledgers of their own."""

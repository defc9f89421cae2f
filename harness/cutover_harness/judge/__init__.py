"""From ledgers to measures to a verdict: pure functions that know nothing of Kafka or of processes."""

"""The report of a cutover that `kafka-cutover run` has performed: what happened, beside what was rehearsed."""

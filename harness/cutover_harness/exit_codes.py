"""Exit codes of `kafka-cutover`, one meaning each. docs/exit-codes.md lists which command uses which."""

FAILED = 1
"""It was done, and the answer is no: a FAIL, a NO-GO, a blocker, a path that was stopped."""
REFUSED = 2
"""Usage, bad input, or an error of a cluster or disk."""
UNPROVED = 3
"""No failure, but not proved for all that was asked: INCONCLUSIVE, not rehearsed, not read back, records missing."""
TURNED_BACK = 4
"""`run`, `resume`: the path turned back, and everything is on the source again."""
DEFECT = 70
"""A defect of the tool (EX_SOFTWARE of sysexits.h)."""
INTERRUPTED = 130
"""SIGINT (128 + 2)."""

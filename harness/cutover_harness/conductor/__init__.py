"""The conductor: runs a path step by step, each behind its gates.

Steps and gates come from `procedure`; brokers and mirror are reached through `procedure.protocols`, so the same
conductor runs a rehearsal and a real cutover.
"""

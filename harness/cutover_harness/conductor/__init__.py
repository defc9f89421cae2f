"""The conductor: walks a path act by act, each behind its gates.

It knows stages and gates, and speaks to brokers and mirror through the narrow protocols of `protocols`, so that the
same conductor walks a rehearsal and a real cutover.
"""

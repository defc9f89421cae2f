"""Exploration of the procedure: the real steps and gates over a small abstract world, in every order of events.

`world` is a state; `environment` what clients, mirror and operators may do to it; `conductor` runs the steps and gates
of `procedure/` over it, through the protocols in `views`; `invariants` judge; `search` visits every state.
"""

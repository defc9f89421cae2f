"""Rehearsals under pytest: `hooks` and fixtures, collection (`items`), runs (`rehearse`), output (`explain`)."""

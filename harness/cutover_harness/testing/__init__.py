"""Rehearsals under pytest: `hooks` and fixtures, what collects (`items`), what runs (`rehearse`), what is shown."""

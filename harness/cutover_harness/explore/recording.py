"""Fields of a state that a calculation has read: its result holds for all states with the same values in them.

A gate reads few of the fields that clients and logs change. So the results of a conductor are kept in a tree: a field
of the state, its value, the next field, and so on to the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from cutover_harness.explore.world import Part, World

Result = TypeVar("Result")
Field = tuple[int, int]
"""Which part, or -1 for the state itself, and which of its fields."""
GIVEN = frozenset({"parts", "journal", "conductors"})
"""Fields of a state that are not noted: the caller knows them, and parts note their own fields."""


class Recorder:
    """Gives out a state that notes which of its fields are read or replaced."""

    def __init__(self, partitions: int) -> None:
        self._reads: dict[Field, object] = {}
        self._original: tuple[tuple[Any, ...], ...] = ()
        self._parts = [self._noting(Part, number) for number in range(partitions)]
        self._world = self._noting(World, -1)

    def watch(self, world: World) -> World:
        """Return an equal state that notes from now on."""
        self._reads = {}
        self._original = (*world.parts, world)
        parts = tuple(cls._make(part) for cls, part in zip(self._parts, world.parts, strict=True))
        noting: World = self._world._make((parts, *world[1:]))
        return noting

    @property
    def reads(self) -> Sequence[tuple[Field, object]]:
        """The fields that were read, in order, with their values before anything was replaced."""
        return list(self._reads.items())

    def _note(self, owner: int, index: int) -> None:
        if (owner, index) not in self._reads:
            self._reads[owner, index] = self._original[owner][index]

    def _noting(self, base: Any, owner: int) -> Any:
        """Return a subclass of a named tuple that notes."""
        names: tuple[str, ...] = base._fields

        def reader(index: int) -> property:
            def read(value: tuple[Any, ...]) -> Any:
                self._note(owner, index)
                return value[index]

            return property(read)

        def replace(value: Any, /, **fields: Any) -> Any:
            for name in fields:
                if name not in GIVEN:  # whether it differs depends on what it was
                    self._note(owner, names.index(name))
            return value._make(fields.get(name, its) for name, its in zip(names, value, strict=True))

        noted: dict[str, Any] = {name: reader(n) for n, name in enumerate(names) if name not in GIVEN}
        return type(f"Noting{base.__name__}", (base,), noted | {"_replace": replace})


class Answers(Generic[Result]):
    """Results by what was read for them."""

    def __init__(self) -> None:
        self._root: Any = None

    def find(self, original: Sequence[tuple[Any, ...]], calculate: Callable[[], Result], recorder: Recorder) -> Result:
        """Return the result for a state, of which `original` are the parts, and last the state itself."""
        node, above, at = self._root, None, None
        while node.__class__ is list:
            (owner, index), children = node
            above, at = children, original[owner][index]
            node = children.get(at)
        if node is not None:
            result: Result = node[0]
            return result
        return self._add(above, at, calculate(), recorder)

    def _add(self, above: Any, at: Any, result: Result, recorder: Recorder) -> Result:
        """Keep a result below the questions that were asked already."""
        known, node = self._root, None
        reads = list(recorder.reads)
        while known.__class__ is list:
            assert known[0] == reads[0][0]  # noqa: S101 - what is asked next depends only on the answers
            known = known[1].get(reads.pop(0)[1])
        node = (result,)
        for field, value in reversed(reads):
            node = [field, {value: node}]  # type: ignore[assignment]
        if above is None:
            self._root = node
        else:
            above[at] = node
        return result

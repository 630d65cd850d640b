"""What runs on over a reload: breakers and their like of models that did not change, allowances, what was learned."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar
from weakref import WeakValueDictionary

T = TypeVar("T")


class Kept:
    """Things by what they were made from: equal ones are one, for as long as a gateway has it."""

    def __init__(self) -> None:
        self._things: WeakValueDictionary[Hashable, Any] = WeakValueDictionary()

    def of(self, key: Hashable, make: Callable[[], T]) -> T:
        """The thing that was made from `key`, or a new one."""
        found: T | None = self._things.get(key)
        if found is None:
            found = self._things[key] = make()
        return found

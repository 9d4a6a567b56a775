"""Items of a set by number, name, slice, list or mask; and some items of a lazy sequence, still lazy."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.model.notebook import Shown
from subtomo.model.rows import row_numbers
from subtomo.words import listed, nearest, shown

Item = TypeVar("Item", covariant=True)

Key = int | str | slice | ArrayLike | Sequence[str]
"""A number or a name for one item; a slice, a list of numbers or of names, or a mask for several."""
_FIRST_NAMES = 3


def numbers_of(key: Any, names: Callable[[], Sequence[str]], n: int, what: str) -> int | NDArray[np.intp]:
    """Find the number of one item, or those of several (m,), which may be none.

    Args:
        key: A number, counted from the end if negative, or a name; or a slice, a list of either, or a mask (n,).
        names: Gives the names of all items, and is asked only for names.
        n: Number of items.
        what: One of them, for messages: ``particle``.

    Raises:
        IndexError: There is no such number, or a mask has another length.
        KeyError: There is no such name.
        TypeError: It is none of these.
    """
    if isinstance(key, str):
        return _named([key], names(), what)[0]
    if isinstance(key, slice):
        return np.arange(n, dtype=np.intp)[key]
    if isinstance(key, bool | np.bool_):
        raise TypeError(f"{key} chooses no {what}; give a number, a name, a slice, a list of these, or a mask ({n},)")
    try:
        return _checked(np.array([operator.index(key)]), n, what).tolist()[0]  # type: ignore[no-any-return]
    except TypeError:
        return _several(key, names, n, what)


def _several(key: Any, names: Callable[[], Sequence[str]], n: int, what: str) -> NDArray[np.intp]:
    chosen = np.asarray(key)
    if chosen.dtype.kind in "UT" or (chosen.dtype.kind == "O" and all(isinstance(one, str) for one in chosen.flat)):
        return np.array(_named(chosen.ravel().tolist(), names(), what), np.intp)
    if chosen.ndim != 1 or (chosen.size and chosen.dtype.kind not in "iub"):
        raise TypeError(
            f"{shown(repr(key))} chooses no {what}s; give a number, a name, a slice, a list of these, or a mask ({n},)"
        )
    if chosen.dtype == np.bool_:
        return row_numbers(chosen, n)
    return _checked(chosen.astype(np.intp), n, what)


def _checked(numbers: NDArray[np.intp], n: int, what: str) -> NDArray[np.intp]:
    """Count negative numbers from the end."""
    beyond = numbers[(numbers < -n) | (numbers >= n)]
    if beyond.size:
        raise IndexError(f"{what} {beyond[0]} of {n}: numbers run from 0 to {n - 1}" if n else f"there is no {what}")
    return np.where(numbers < 0, numbers + n, numbers).astype(np.intp)


def _named(wanted: list[str], names: Sequence[str], what: str) -> list[int]:
    places = {name: number for number, name in enumerate(names)}
    for name in wanted:
        if name not in places:
            raise KeyError(f"no {what} {shown(name)!r}{nearest(name, names)}; there are: {listed(names, 10)}")
    return [places[name] for name in wanted]


class LazySequence(Shown, Sequence[Item], Generic[Item]):
    """A sequence whose items are computed or read when they are asked for, by number or by name.

    Slices, lists and masks give another lazy sequence.
    """

    def item(self, number: int) -> Item:
        """Compute or read one item, by its number from zero."""
        raise NotImplementedError

    def item_names(self) -> Sequence[str]:
        """List the names of all items."""
        raise NotImplementedError

    @overload
    def __getitem__(self, key: int | str) -> Item: ...
    @overload
    def __getitem__(self, key: slice | Sequence[Any] | NDArray[Any]) -> LazySequence[Item]: ...
    def __getitem__(self, key: Any) -> Any:
        """Give one item, or the lazy sequence of several."""
        found = numbers_of(key, self.item_names, len(self), "item")
        return self.item(found) if isinstance(found, int) else SomeItems(self, found)


class SomeItems(LazySequence[Item]):
    """Some items of a lazy sequence, in an order of their own.

    Args:
        source: The whole sequence.
        numbers: (m,) of its items.
    """

    def __init__(self, source: LazySequence[Item], numbers: NDArray[np.intp]) -> None:
        self.source, self.numbers = source, numbers

    def item(self, number: int) -> Item:
        """Ask the whole sequence."""
        return self.source.item(int(self.numbers[number]))

    def item_names(self) -> Sequence[str]:
        """List their names."""
        names = self.source.item_names()
        return [names[number] for number in self.numbers.tolist()]

    def __len__(self) -> int:
        return len(self.numbers)

    def __iter__(self) -> Iterator[Item]:
        return (self.source.item(number) for number in self.numbers.tolist())

    def _facts(self) -> list[tuple[str, Any]]:
        return [
            ("", f"{len(self)} of {len(self.source)} items ({listed(self.item_names(), _FIRST_NAMES) or 'none'})"),
            ("of", repr(self.source)),
        ]

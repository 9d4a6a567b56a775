"""Read pseudo-subtomograms back from a Zarr store, one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from subtomo.errors import InputError
from subtomo.io.zarr_store import COMPLETE, TERMS, open_group, term_shapes
from subtomo.model.lookup import LazySequence
from subtomo.model.subtomogram import PseudoSubtomogram
from subtomo.model.table import Table, TextArray, text_array


class StoredSubtomograms(LazySequence[PseudoSubtomogram]):
    """The particles of a store, each read when it is indexed; the same bits as when they were computed.

    Several threads may read one sequence at the same time, and a pickled one opens the store again.

    Args:
        path: The folder ``particles.zarr``.

    Raises:
        InputError: It is not there, damaged, or something else.
        SettingsError: zarr is not installed.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = os.path.abspath(path)
        self._group = open_group(self.path, "r")
        self.attributes: dict[str, Any] = dict(self._group.attrs.asdict())
        """Settings, version and sources of the extraction."""
        try:
            self._read()
        except Exception as error:  # zarr tells damaged arrays by errors of many kinds
            raise InputError(f"{self.path}: is damaged ({error}); extract again") from error

    def _read(self) -> None:
        """Read all but the voxels."""
        group = self._group
        self.names: TextArray = text_array(group["name"][:])
        """(n,) of the particles."""
        self.tomogram_names: TextArray = text_array(group["tomogram"][:])
        """(n,) of their tomograms."""
        self.done = group["done"][:].astype(bool)
        """(n,) bool: which particles the store has."""
        self.indices = group["particle"][:].astype(np.int64)
        """(n,) int64: index of each in the particle set that it was made from."""
        self._orientation, self._visible = group["orientation"][:], group["visible"][:]
        self._n_tilts, self._pixel_size = group["n_tilts"][:], group["pixel_size_angstrom"][:]
        self.is_whitened = bool(self.attributes["is_whitened"])
        n, self._arrays = len(self.names), {term: group[term] for term in TERMS}
        for term, shape in term_shapes(int(self.attributes["crop_size"])).items():
            array = self._arrays[term]
            if array.shape != (n, *shape) or array.dtype != np.float32:
                raise ValueError(f"array {term} is {array.dtype} {array.shape}, expected float32 {(n, *shape)}")
        self._check(n)

    def _check(self, n: int) -> None:
        """Find arrays that lost their content: zarr fills them without a word."""
        lengths = (self.tomogram_names, self.done, self.indices, self._orientation, self._visible, self._n_tilts)
        if any(len(array) != n for array in (*lengths, self._pixel_size)):
            raise ValueError(f"arrays differ in length from the {n} names")
        whole = {
            "name": np.all(self.names != ""),
            "tomogram": np.all(self.tomogram_names != ""),
            "particle": np.all(self.indices >= 0),
            "n_tilts": np.all(self._n_tilts >= 0),
            "orientation": np.isfinite(self._orientation).all(),
            "pixel_size_angstrom": np.isfinite(self._pixel_size).all(),
            "visible": np.all(self._visible.any(axis=1) | ~self.done),
        }
        for name, is_whole in whole.items():
            if not is_whole:
                raise ValueError(f"array {name} has gaps")

    @property
    def is_complete(self) -> bool:
        """Whether the run that made the store came to its end with all particles."""
        return bool(self.attributes.get("status") == COMPLETE)

    def table(self) -> Table:
        """Read the rows of the particle file, all columns as text, in the order of the items."""
        group = self._group["table"]
        columns = {label: text_array(array[:]) for label, array in sorted(group.arrays())}
        return Table(str(group.attrs["name"]), columns, source=self.path)

    def __len__(self) -> int:
        return len(self.names)

    def item_names(self) -> Sequence[str]:
        """List the names of all items."""
        names: list[str] = self.names.tolist()
        return names

    def _facts(self) -> list[tuple[str, Any]]:
        missing = int((~self.done).sum())
        return [
            ("", f"{len(self)} volumes of {self.attributes['crop_size']}³ voxels, read when they are asked for"),
            ("missing", missing or None),
            ("from", self.path),
        ]

    def item(self, number: int) -> PseudoSubtomogram:
        """Read one item, by its number from zero."""
        position = number
        name = str(self.names[position])
        if not self.done[position]:
            raise InputError(
                f"{self.path}: particle {name} is not finished; finish the run with resume=True", field="resume"
            )
        data, ctf2, multiplicity = (self._term(term, position, name) for term in TERMS)
        return PseudoSubtomogram(
            name=name,
            particle=int(self.indices[position]),
            data=data,
            ctf2=ctf2,
            multiplicity=multiplicity,
            pixel_size_angstrom=float(self._pixel_size[position]),
            visible=self._visible[position, : self._n_tilts[position]],
            orientation=self._orientation[position],
            is_whitened=self.is_whitened,
        )

    def __iter__(self) -> Iterator[PseudoSubtomogram]:
        return (self[i] for i in range(len(self)))

    def __reduce__(self) -> tuple[Any, ...]:
        return StoredSubtomograms, (self.path,)

    def _term(self, term: str, position: int, name: str) -> Any:
        """Read one term (c, c, c or c // 2 + 1), float32."""
        try:
            values = self._arrays[term][position]
        except Exception as error:  # damage shows as an error of zarr, of the codec or of the file system
            problem = f"{type(error).__name__}: {error}"
        else:
            if not np.isnan(values[0, 0, 0]):
                return values
            problem = "its shard is missing"
        raise InputError(
            f"{self.path}: {term} of particle {name} cannot be read ({problem}); remove the store and extract again"
        )

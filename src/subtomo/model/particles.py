"""Particles: where they are, how they are rotated, which optics they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from subtomo.errors import InputError
from subtomo.model.choices import check_kind
from subtomo.model.frames import Tabular
from subtomo.model.lookup import Key, numbers_of
from subtomo.model.notebook import Shown
from subtomo.model.optics import OpticsGroup
from subtomo.model.rows import ONE_PER_ROW, take_rows
from subtomo.model.table import Table, TextArray, text_array
from subtomo.words import listed

Float = NDArray[np.float64]
Int = NDArray[np.int64]


@dataclass(frozen=True, eq=False, repr=False)
class ParticleSet(Shown, Tabular):
    """Particles in the order of their file, which may carry the tables that they were read from.

    ``particles["TS_1/3"]``, ``particles[:10]``, ``particles[["TS_1/3", "TS_2/1"]]`` and
    ``particles[particles.half_set == 1]`` are particle sets again.
    """

    names: TextArray = field(metadata=ONE_PER_ROW)
    """(n,) unique names, usually ``tomogram/number``."""
    tomogram_names: TextArray = field(metadata=ONE_PER_ROW)
    """(n,)"""
    coordinates: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) x, y, z: ångströms from the tomogram's centre if ``centred``, else decentred pixels."""
    centred: bool
    origin_angstrom: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) refined offset in the subtomogram's frame; subtracted when offsets are applied."""
    subtomogram_angles_deg: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) rot, tilt, psi of the frame in which the volume is built."""
    angles_deg: Float = field(metadata=ONE_PER_ROW)
    """(n, 3) rot, tilt, psi of the particle within that frame."""
    optics_group: Int = field(metadata=ONE_PER_ROW)
    """(n,) index into ``optics_groups``."""
    optics_groups: tuple[OpticsGroup, ...]
    half_set: Int | None = field(default=None, metadata=ONE_PER_ROW)
    """(n,) 1 or 2, 0 for particles of neither; None if nothing says."""
    class_number: Int | None = field(default=None, metadata=ONE_PER_ROW)
    """(n,) counted from 1; None if nothing says."""
    has_angles: bool = True
    """Whether ``angles_deg`` are known, and not zero for want of anything better."""
    has_subtomogram_angles: bool = True
    """The same of ``subtomogram_angles_deg``."""
    table: Table | None = field(default=None, metadata=ONE_PER_ROW)
    """The particles as text, for writing what extraction does not change; None if they come from no file."""
    optics_table: Table | None = None
    general_table: Table | None = None
    trajectories: Sequence[Float] | None = field(default=None, metadata=ONE_PER_ROW)
    """Per particle (n_tilts, 3) shifts in Å in the tomogram's frame."""
    source: str = ""
    """The file they come from, for messages; empty if they come from none."""

    def __post_init__(self) -> None:
        names = self.names.tolist()
        if len(set(names)) < len(names):
            name, count = Counter(names).most_common(1)[0]
            first = names.index(name)
            raise InputError(
                f"{self.where}: {count} particles are called {name!r} (first in row {first + 1}), again in row "
                f"{names.index(name, first + 1) + 1}; each would overwrite the other's files, so give them unique names"
            )

    @classmethod
    def at(
        cls,
        tilt_series: str | Iterable[str],
        positions: ArrayLike,
        *,
        pixel_size_angstrom: float,
        centred: bool = False,
        angles_deg: ArrayLike | None = None,
        names: Iterable[str] | None = None,
    ) -> ParticleSet:
        """Make particles from arrays.

        Args:
            tilt_series: Name of the tilt series of all particles, or of each (n,).
            positions: (n, 3) x, y, z: decentred pixels of the unbinned tilt images; if ``centred``, ångströms from the
                tomogram's centre.
            pixel_size_angstrom: Of the unbinned tilt images.
            centred: What the positions are.
            angles_deg: (n, 3) rot, tilt, psi from the particle's frame to the tomogram's; None for particles without
                orientation.
            names: (n,) unique; by default they are numbered from 1 within each tilt series, as ``series/number``.

        Raises:
            InputError: Numbers of particles differ, a value makes no sense, or names are not unique.
        """
        check_kind("pixel_size_angstrom", pixel_size_angstrom, float, int, np.floating, np.integer)
        check_kind("centred", centred, bool, np.bool_)
        places = _triples(positions, "positions")
        n, zeros = len(places), np.zeros((len(places), 3))
        owners = text_array([tilt_series] * n if isinstance(tilt_series, str) else tilt_series)
        angles = zeros if angles_deg is None else _triples(angles_deg, "angles_deg")
        called = numbered_names(owners) if names is None else text_array(names)
        counts = {"positions": n, "tilt_series": len(owners), "angles_deg": len(angles)}
        counts |= {} if names is None else {"names": len(called)}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} {name}" for name, count in counts.items())
            message = f"particles from arrays: found {found}; give one of each per particle"
            raise InputError(message, field=tuple(counts))
        if not 0 < pixel_size_angstrom < np.inf:
            message = f"pixel size (pixel_size_angstrom) is {pixel_size_angstrom:g}, but must be above zero"
            raise InputError(message, field="pixel_size_angstrom")
        return cls(
            names=called,
            tomogram_names=owners,
            coordinates=places,
            centred=centred,
            origin_angstrom=zeros,
            subtomogram_angles_deg=zeros,
            angles_deg=angles,
            optics_group=np.zeros(n, np.int64),
            optics_groups=(OpticsGroup("", float(pixel_size_angstrom)),),
            has_angles=angles_deg is not None,
            has_subtomogram_angles=False,
        )

    def with_half_sets(self, half_set: ArrayLike) -> ParticleSet:
        """Give the same particles in other half sets, (n,): 1 or 2, 0 for particles of neither.

        Raises:
            InputError: There is not one for each particle, or a number is something else.
        """
        halves = np.asarray(half_set)
        if halves.shape != (len(self),) or not np.isin(halves, (0, 1, 2)).all():
            found = ", ".join(map(str, np.unique(halves)[:5]))
            raise InputError(
                f"half sets (half_set) have the shape {halves.shape} and values {found}; give each of {len(self)} "
                "particles 1 or 2, or 0 for neither",
                field="half_set",
            )
        return replace(self, half_set=halves.astype(np.int64))

    def __len__(self) -> int:
        return len(self.names)

    def __contains__(self, name: object) -> bool:
        """Tell whether a particle has this name."""
        return name in self._known_names

    def __iter__(self) -> Iterator[ParticleSet]:
        """Give the particles one by one, each as a set of one."""
        return (self.take([number]) for number in range(len(self)))

    def __getitem__(self, key: Key) -> ParticleSet:
        """Take one particle by number or name, or several by a slice, a list of these, or a mask (n,).

        Raises:
            IndexError: There is no such number, or a mask has another length.
            KeyError: There is no such name.
        """
        found = numbers_of(key, self.names.tolist, len(self), "particle")
        return self.take([found] if isinstance(found, int) else found)

    def columns(self) -> dict[str, Any]:
        """Give the columns of a data frame; what is not known is not there."""
        unit = "angstrom" if self.centred else "px"
        found: dict[str, Any] = {"name": self.names.tolist(), "tilt_series": self.tomogram_names.tolist()}
        triples: dict[str, tuple[Float, Sequence[str], str]] = {"": (self.coordinates, "xyz", unit)}
        triples["origin_"] = (self.origin_angstrom, "xyz", "angstrom")
        if self.has_subtomogram_angles:
            triples["subtomogram_"] = (self.subtomogram_angles_deg, ("rot", "tilt", "psi"), "deg")
        if self.has_angles:
            triples["angle_"] = (self.angles_deg, ("rot", "tilt", "psi"), "deg")
        for start, (values, axes, of) in triples.items():
            found |= {f"{start}{axis}_{of}": values[:, i].tolist() for i, axis in enumerate(axes)}
        found["pixel_size_angstrom"] = self.pixel_size_angstrom.tolist()
        for name in ("half_set", "class_number"):
            if getattr(self, name) is not None:
                found[name] = getattr(self, name).tolist()
        return found

    def _facts(self) -> list[tuple[str, Any]]:
        series = list(dict.fromkeys(self.tomogram_names.tolist()))
        sizes = sorted({group.pixel_size_angstrom for group in self.optics_groups})
        halves = self.half_set
        classes = None if self.class_number is None else len(np.unique(self.class_number))
        return [
            ("", f"{len(self)} particles of {len(series)} tilt series ({listed(series, 3)})"),
            ("pixel size", " and ".join(f"{size:g} Å" for size in sizes[:3])),
            ("coordinates", "Å from the centre" if self.centred else "pixels from the corner"),
            ("orientations", "known" if self.has_angles else "not known"),
            ("half sets", None if halves is None else f"{(halves == 1).sum()} + {(halves == 2).sum()}"),
            ("classes", classes if classes and classes > 1 else None),
            ("from", self.source),
        ]

    @property
    def where(self) -> str:
        """Where they come from, for messages: the file if there is one."""
        return self.source or "particles from arrays"

    @property
    def pixel_size_angstrom(self) -> Float:
        """(n,) pixel size of each particle's optics group, Å."""
        sizes = np.array([group.pixel_size_angstrom for group in self.optics_groups])
        result: Float = sizes[self.optics_group]
        return result

    def in_tomogram(self, name: str) -> Int:
        """List the indices of the particles of a tomogram, in file order."""
        return self._members.get(name, np.zeros(0, np.int64))

    def take(self, indices: ArrayLike, *, with_tables: bool = True, with_trajectories: bool = True) -> ParticleSet:
        """Take some particles, in the order of the indices.

        Args:
            indices: (m,) counted from 0, or a mask (n,).
            with_tables: Keep the tables, which only writing needs.
            with_trajectories: Keep the motion.
        """
        tables = {} if with_tables else dict.fromkeys(("table", "optics_table", "general_table"))
        motion = {} if with_trajectories else {"trajectories": None}
        return take_rows(self, indices, **tables, **motion)

    @cached_property
    def _known_names(self) -> frozenset[str]:
        return frozenset(self.names.tolist())

    @cached_property
    def _members(self) -> dict[str, Int]:
        """Sort the particles into their tomograms, once for all."""
        members: dict[str, list[int]] = {}
        for index, name in enumerate(self.tomogram_names.tolist()):
            members.setdefault(name, []).append(index)
        return {name: np.array(indices, np.int64) for name, indices in members.items()}


def numbered_names(tomogram_names: TextArray) -> TextArray:
    """Name particles (n,) after their tomograms, numbering those of each from 1."""
    names, seen = list[str](), Counter[str]()
    for tomogram in tomogram_names.tolist():
        seen[tomogram] += 1
        names.append(f"{tomogram}/{seen[tomogram]}")
    return text_array(names)


def _triples(values: ArrayLike, what: str) -> Float:
    """Check an array of triples (n, 3); a single triple (3,) is one."""
    try:
        array = np.array(values, np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} are no numbers ({error}); give an array (n, 3)", field=what) from error
    array = array[None] if array.shape == (3,) else array
    if array.ndim != 2 or array.shape[1] != 3:
        raise InputError(f"{what} have the shape {array.shape}, but must be (n, 3)", field=what)
    if not np.isfinite(array).all():
        row = int(np.flatnonzero(~np.isfinite(array).all(axis=1))[0])
        found = ", ".join(f"{value:g}" for value in array[row])
        raise InputError(f"{what} of particle {row + 1} are {found}, but must be finite; leave it out", field=what)
    return array

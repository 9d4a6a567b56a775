"""Particles: where they are, how they are turned, which optics they have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import InputError
from subtomo.model.optics import OpticsGroup
from subtomo.model.table import Table, TextArray, text_array

Float = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ParticleSet:
    """Particles in the order of their file, which may carry the tables they came from."""

    names: TextArray
    """(n,) unique names, usually ``tomogram/number``."""
    tomogram_names: TextArray
    """(n,)"""
    coordinates: Float
    """(n, 3) x, y, z: ångströms from the tomogram's centre if ``centred``, else decentred pixels."""
    centred: bool
    origin_angstrom: Float
    """(n, 3) refined offset in the subtomogram's frame; subtracted when offsets are applied."""
    subtomogram_angles_deg: Float
    """(n, 3) rot, tilt, psi of the frame in which the volume is built."""
    angles_deg: Float
    """(n, 3) rot, tilt, psi of the particle within that frame."""
    optics_group: NDArray[np.int64]
    """(n,) index into ``optics_groups``."""
    optics_groups: tuple[OpticsGroup, ...]
    table: Table = field(default_factory=lambda: Table("particles", {}))
    """The particles as text, one row each, for writing; empty if they come from no file."""
    optics_table: Table = field(default_factory=lambda: Table("optics", {}))
    general_table: Table | None = None
    trajectories: Sequence[Float] | None = None
    """Per particle (n_tilts, 3) shifts in Å in the tomogram's frame."""
    source: str = ""
    """The file they come from, for messages."""

    def __post_init__(self) -> None:
        names = self.names.tolist()
        if len(set(names)) < len(names):
            name, count = Counter(names).most_common(1)[0]
            first = names.index(name)
            raise InputError(
                f"{self.source}: {count} particles are called {name!r} (first in row {first + 1}), again in row "
                f"{names.index(name, first + 1) + 1}; each would overwrite the other's files, so give them unique names"
            )

    @classmethod
    def at(
        cls,
        tilt_series: str | Sequence[str],
        positions: Float,
        *,
        pixel_size_angstrom: float,
        centred: bool = False,
        angles_deg: Float | None = None,
        names: Sequence[str] | None = None,
    ) -> ParticleSet:
        """Make particles from arrays.

        Args:
            tilt_series: Name of the tilt series of all particles, or of each.
            positions: (n, 3) x, y, z: decentred pixels of the unbinned tilt images; if ``centred``, ångströms from the
                tomogram's centre.
            pixel_size_angstrom: Of the unbinned tilt images.
            centred: What the positions are.
            angles_deg: (n, 3) rot, tilt, psi; None for particles without orientation.
            names: Unique; by default they are numbered from 1 within each tilt series, as ``series/number``.

        Raises:
            InputError: Numbers of particles differ, or names are not unique.
        """
        positions = np.asarray(positions, np.float64).reshape(-1, 3)
        n, zeros = len(positions), np.zeros((len(positions), 3))
        owners = [tilt_series] * n if isinstance(tilt_series, str) else list(tilt_series)
        angles = zeros if angles_deg is None else np.asarray(angles_deg, np.float64)
        counts = {"positions": n, "tilt_series": len(owners), "angles_deg": len(angles)}
        counts |= {} if names is None else {"names": len(names)}
        if len(set(counts.values())) > 1:
            found = ", ".join(f"{count} {name}" for name, count in counts.items())
            raise InputError(
                f"particles from arrays: found {found}; give one of each per particle", field=tuple(counts)
            )
        seen = Counter[str]()
        numbered = []
        for owner in owners:
            seen[owner] += 1
            numbered.append(f"{owner}/{seen[owner]}")
        return cls(
            names=text_array(numbered if names is None else names),
            tomogram_names=text_array(owners),
            coordinates=positions,
            centred=centred,
            origin_angstrom=zeros,
            subtomogram_angles_deg=zeros,
            angles_deg=angles,
            optics_group=np.zeros(n, np.int64),
            optics_groups=(OpticsGroup("particles", pixel_size_angstrom),),
            source="particles from arrays",
        )

    def __len__(self) -> int:
        return len(self.names)

    @property
    def pixel_size_angstrom(self) -> Float:
        """(n,) pixel size of each particle's optics group, Å."""
        sizes = np.array([group.pixel_size_angstrom for group in self.optics_groups])
        result: Float = sizes[self.optics_group]
        return result

    def in_tomogram(self, name: str) -> NDArray[np.int64]:
        """List the indices of the particles of a tomogram, in file order."""
        return self._members.get(name, np.zeros(0, np.int64))

    def take(
        self, indices: NDArray[np.int64], *, with_tables: bool = True, with_trajectories: bool = True
    ) -> ParticleSet:
        """Take some particles, in the order of the indices.

        Args:
            indices: (m,) counted from 0.
            with_tables: Keep the rows of the table and the other tables, which only writing needs.
            with_trajectories: Keep the motion.
        """
        motion = self.trajectories if with_trajectories else None
        return replace(
            self,
            names=self.names[indices],
            tomogram_names=self.tomogram_names[indices],
            coordinates=self.coordinates[indices],
            origin_angstrom=self.origin_angstrom[indices],
            subtomogram_angles_deg=self.subtomogram_angles_deg[indices],
            angles_deg=self.angles_deg[indices],
            optics_group=self.optics_group[indices],
            table=self.table.take(indices) if with_tables and len(self.table) else Table("particles", {}),
            optics_table=self.optics_table if with_tables else Table("optics", {}),
            general_table=self.general_table if with_tables else None,
            trajectories=None if motion is None else [motion[i] for i in indices],
        )

    @cached_property
    def _members(self) -> dict[str, NDArray[np.int64]]:
        """Sort the particles into their tomograms, once for all."""
        members: dict[str, list[int]] = {}
        for index, name in enumerate(self.tomogram_names.tolist()):
            members.setdefault(name, []).append(index)
        return {name: np.array(indices, np.int64) for name, indices in members.items()}

"""Write pseudo-subtomograms into one Zarr v3 group: few files, compressed, each particle readable on its own."""

from __future__ import annotations

import importlib
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError, SettingsError
from subtomo.io.atomic import sync_files
from subtomo.io.checksum import checksum_of
from subtomo.model.table import Table, TextArray

FORMAT = 1
"""To be raised when the arrays or attributes of a store change their meaning."""
SHARD_BYTES = 64 * 2**20
"""Of the uncompressed voxels of a shard, all three terms together: what a run holds of it in memory."""
MOST_IN_SHARD = 4096
TERMS = ("data", "ctf2", "multiplicity")
COMPLETE, INCOMPLETE = "complete", "incomplete"

Bool = NDArray[np.bool_]
Float32 = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class StoredParticles:
    """All that a store says of its particles besides their voxels, in the order of extraction."""

    table: Table
    """(n rows) as the particle file has them, with the texts of all its columns."""
    arrays: Mapping[str, NDArray[Any]]
    """Name to array with n as first size: numbers of each particle."""
    texts: Mapping[str, TextArray]
    """Name to texts (n,)."""
    crop_size: int
    attributes: Mapping[str, Any]
    """Settings, version and source, in the types that JSON has."""

    def __len__(self) -> int:
        return len(self.table)


def zarr_module() -> Any:
    """Import zarr.

    Raises:
        SettingsError: It is not installed.
    """
    try:
        return importlib.import_module("zarr")
    except ImportError as error:
        raise SettingsError(
            f"Zarr stores need a package that is missing ({error}): pip install 'subtomo[zarr]'"
        ) from error


def term_shapes(crop_size: int) -> dict[str, tuple[int, int, int]]:
    """Give the shape of each term of a particle."""
    half = (crop_size, crop_size, crop_size // 2 + 1)
    return {"data": (crop_size,) * 3, "ctf2": half, "multiplicity": half}


def particles_per_shard(crop_size: int) -> int:
    """Choose how many particles share a file of each term."""
    each = 4 * sum(int(np.prod(shape)) for shape in term_shapes(crop_size).values())
    return max(1, min(MOST_IN_SHARD, SHARD_BYTES // each))


@doing_to_file("opening")
def open_group(path: str | os.PathLike[str], mode: str) -> Any:
    """Open the group of a store that this program made.

    Raises:
        InputError: It is not there, damaged, or something else.
        SettingsError: zarr is not installed.
    """
    zarr, name = zarr_module(), os.fspath(path)
    hint = "name the folder particles.zarr of a run that wrote a store"
    if not os.path.isfile(os.path.join(name, "zarr.json")):
        raise InputError(f"{name}: is no Zarr group (it holds no zarr.json); {hint}")
    try:
        group = zarr.open_group(name, mode=mode)
        found = group.attrs.get("subtomo_format")
    except Exception as error:  # zarr tells damaged metadata by errors of many kinds
        raise InputError(f"{name}: cannot be read as a Zarr group ({error}); {hint}") from error
    if found != FORMAT:
        raise InputError(f"{name}: attribute subtomo_format is {found!r}, expected {FORMAT}; {hint}")
    return group


class StoreWriter:
    """Writes the shards of a store; ``done`` tells which particles are on the disk.

    Args:
        path: A store made by `create`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._group = open_group(self.path, "r+")
        for leftover in self.path.rglob("*.partial"):
            leftover.unlink()
        try:
            arrays = [self._group[term] for term in TERMS]
            self.done: Bool = self._group["done"][:]
        except Exception as error:
            raise InputError(f"{self.path}: is damaged ({error}); remove it and extract again") from error
        self.shard_size: int = arrays[0].shards[0]
        self._checksums: NDArray[np.uint64] | None = self._group["checksums"][:] if "checksums" in self._group else None
        self._sizes: dict[int, list[int]] = {}
        """Of the files of shards that were written since."""

    @classmethod
    def create(cls, path: str | os.PathLike[str], particles: StoredParticles) -> StoreWriter:
        """Make a store without voxels; it takes its name when all else is there."""
        final = Path(path)
        hidden = final.with_name(f".{final.name}.new")
        shutil.rmtree(hidden, ignore_errors=True)
        try:
            cls._create(hidden, particles)
            os.replace(hidden, final)
        except BaseException as error:
            shutil.rmtree(hidden, ignore_errors=True)
            if isinstance(error, OSError) and error.errno is not None and error.filename is None:
                raise OSError(error.errno, error.strerror, str(final)) from error
            raise
        return cls(final)

    @staticmethod
    def _create(hidden: Path, particles: StoredParticles) -> None:
        """Make all arrays, those of the voxels empty."""
        group = zarr_module().create_group(
            str(hidden),
            zarr_format=3,
            attributes={"subtomo_format": FORMAT, "status": INCOMPLETE, **particles.attributes},
        )
        n, per_shard, codec = len(particles), particles_per_shard(particles.crop_size), _codec()
        for term, shape in term_shapes(particles.crop_size).items():
            # what was never written reads as NaN, so that a lost shard cannot pass for one of zeros
            group.create_array(
                term,
                shape=(n, *shape),
                dtype="float32",
                chunks=(1, *shape),
                shards=(per_shard, *shape),
                compressors=codec,
                fill_value=float("nan"),
            )
        checksums = np.zeros((-(-n // per_shard), len(TERMS)), np.uint64)
        arrays = {"done": np.zeros(n, bool), "checksums": checksums, **particles.arrays}
        for name, values in arrays.items():
            _add(group, name, values, codec)
        for name, texts in particles.texts.items():
            _add(group, name, texts, codec)
        table = group.create_group("table", attributes={"name": particles.table.name})
        for label in particles.table.labels:
            _add(table, label, particles.table.text(label), codec)

    @property
    def attributes(self) -> dict[str, Any]:
        """What the store says of its making."""
        return dict(self._group.attrs.asdict())

    def texts(self, name: str) -> list[str]:
        """Read the texts of an array."""
        return [str(text) for text in self._group[name][:].tolist()]

    def begin(self, still_done: Bool, keys: TextArray) -> None:
        """Say that the store is incomplete, and which particles (n,) of it remain valid, under which keys."""
        self._group.attrs["status"] = INCOMPLETE
        self.done = self.done & still_done
        self._group["done"][:] = self.done
        if len(keys):
            self._group["key"][:] = keys

    def shard(self, number: int) -> slice:
        """Tell which particles a shard has."""
        return slice(number * self.shard_size, min((number + 1) * self.shard_size, len(self.done)))

    def write(self, number: int, terms: Mapping[str, Float32], made: Bool) -> int:
        """Write all particles of a shard and give the number of bytes; those not ``made`` (k,) are not marked as done.

        Raises:
            OSError: The disk is full, or the like. The particles of the shard are then not marked.
        """
        where = self.shard(number)
        for term in TERMS:
            try:
                self._group[term][where] = terms[term]
            except OSError as error:  # failing writes do not say which file they were meant for
                place = str(self.path / term / "c" / str(number))
                raise OSError(error.errno, error.strerror, place) from error
        present = [file for file in self._files(number) if file.exists()]
        sync_files(present)
        if self._checksums is not None:
            self._checksums[number] = self._checksums_of(number)
            self._group["checksums"][:] = self._checksums
        self.done[where] = made
        self._group["done"][:] = self.done
        self._sizes[number] = [_size(file) for file in self._files(number)]
        return sum(file.stat().st_size for file in present)

    def intact(self) -> Bool:
        """Read all shards, and tell which particles (n,) lie in unaltered ones; the others are removed."""
        intact = np.ones(len(self.done), bool)
        if self._checksums is not None:
            for number, checksums in enumerate(self._checksums):
                where = self.shard(number)
                if self.done[where].any() and not (self._checksums_of(number) == checksums).all():
                    intact[where] = False
                    for file in self._files(number):
                        file.unlink(missing_ok=True)
        return intact

    def lost(self) -> dict[int, Path]:
        """Tell which shards that were written since the store was opened lack a file, or a part of it; and which."""
        lost = {}
        for number, sizes in self._sizes.items():
            for file, size in zip(self._files(number), sizes, strict=True):
                if _size(file) != size:
                    lost[number] = file
                    self.done[self.shard(number)] = False
        if lost:
            self._group["done"][:] = self.done
        return lost

    def _files(self, number: int) -> list[Path]:
        return [self.path / term / "c" / str(number) / "0" / "0" / "0" for term in TERMS]

    def _checksums_of(self, number: int) -> NDArray[np.uint64]:
        """Give a checksum per term; zero for a shard that holds no particle, or is not there."""
        files = self._files(number)
        return np.array([int(checksum_of([file]), 16) if file.is_file() else 0 for file in files], np.uint64)

    def conclude(self) -> None:
        """Say whether all particles are there."""
        sync_files([self.path / "done" / "c" / "0"] if len(self.done) else [])
        self._group.attrs["status"] = COMPLETE if self.done.all() else INCOMPLETE


def _size(file: Path) -> int:
    """Give the bytes of a file, -1 if it is not there."""
    return file.stat().st_size if file.is_file() else -1


def _add(group: Any, name: str, values: NDArray[Any], codec: Any) -> None:
    """Store a small array in one chunk."""
    is_text = isinstance(values.dtype, np.dtypes.StringDType)
    array = group.create_array(
        name,
        shape=values.shape,
        dtype="string" if is_text else values.dtype,
        chunks=tuple(max(1, size) for size in values.shape),
        compressors=_text_codec() if is_text else codec,
        # values that no array has, by which a lost one is recognised
        fill_value={"f": float("nan"), "i": -1}.get(values.dtype.kind),
        config={"write_empty_chunks": True},
    )
    if values.size:
        array[...] = values


def _codec() -> Any:
    """Choose zstd after shuffling bytes: measured in docs/zarr.md."""
    zarr_module()
    codecs = importlib.import_module("zarr.codecs")
    return codecs.BloscCodec(cname="zstd", clevel=1, shuffle="shuffle")


def _text_codec() -> Any:
    return importlib.import_module("zarr.codecs").ZstdCodec(level=3)

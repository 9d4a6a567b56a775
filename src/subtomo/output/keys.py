"""Short keys of all that determines a particle, by which a later run knows whether its files are still right."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from hashlib import blake2b
from typing import Any

import numpy as np

from subtomo.io.image_names import is_remote
from subtomo.io.mrc import TiltImages
from subtomo.io.mrc_read import SummedVolume
from subtomo.io.reading import open_file
from subtomo.model.optics import OpticsGroup
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import Output
from subtomo.model.tilt_series import TiltSeries

_PROJECTION_DECIMALS = 6
"""Processors differ in the last bit of a sine; a key must not."""
_SAMPLE_BYTES, _SAMPLES_PER_SECTION, _MOST_SAMPLES = 4096, 8, 4096
_SECTIONS_OF_VOLUME = 64


def particle_keys(entry: SeriesPlan, particles: ParticleSet, output: Output, project: str = "") -> list[str]:
    """Give a key per particle of a tomogram: of its row, its motion, its optics, and the tomogram with its images.

    Only what was read is looked at, not what was computed from it, so that keys are the same on all machines.

    Args:
        entry: Plan of a tilt series.
        particles: Of the plan.
        output: What is made of them.
        project: Folder from which names of images are seen; empty for the current one.
    """
    tomogram = tomogram_key(entry.series, output, project)
    first = particles.optics_groups[0].pixel_size_angstrom
    optics = [_key(_words(_optics(group), first)) for group in particles.optics_groups]
    rows = np.concatenate(
        [
            particles.coordinates[entry.particles],
            particles.origin_angstrom[entry.particles],
            particles.subtomogram_angles_deg[entry.particles],
            particles.angles_deg[entry.particles],
        ],
        axis=1,
    )
    names, groups = particles.names[entry.particles].tolist(), particles.optics_group[entry.particles].tolist()
    keys = []
    for member, name, group, row in zip(entry.particles.tolist(), names, groups, rows, strict=True):
        motion = b"" if particles.trajectories is None else _words(particles.trajectories[member])
        words = f"{name}\n{tomogram}\n{optics[group]}\n{particles.centred}\n"
        keys.append(_key(words.encode() + row.tobytes() + motion))
    return keys


def tomogram_key(tomogram: TiltSeries, output: Output, project: str = "") -> str:
    """Give the key of a tilt series: its geometry, its optics, and size and samples of its image files."""
    tilts = tomogram.tilts
    numbers = (
        tomogram.name,
        astuple(tomogram.microscope),
        tomogram.pixel_size_angstrom,
        tomogram.image_size,
        tomogram.size_px,
        tomogram.hand,
        tomogram.defocus_slope,
        tomogram.dose_b_factor_a2,
    )
    # adding zero makes no difference between 0 and -0
    arrays = {**vars(tilts), "projection": np.round(tilts.projection, _PROJECTION_DECIMALS) + 0.0}
    if tilts.deformation is not None:
        arrays["deformation"] = (tilts.deformation.kind, tilts.deformation.grid, tilts.deformation.coefficients)
    files: Any = images_key(tomogram.images, project)
    if output is Output.PROJECTIONS and tomogram.reconstruction is not None:
        files = tomogram.reconstruction.binning, _volume(tomogram.reconstruction.volume, project)
    return _key(_words(numbers, tuple(arrays.items()), files))


def images_key(images: Any, project: str = "") -> Any:
    """Describe tilt images by their files; images from elsewhere are described by ``images.fingerprint()``.

    What cannot be described never equals itself, so that particles made from it are always made again.
    """
    if isinstance(images, TiltImages):
        sections = Counter(address.path for address in images.addresses)
        known = {path: _fingerprint(path, n, project) for path, n in sections.items()}
        return tuple((*known[address.path], address.index) for address in images.addresses)
    own: Callable[[], str] | None = getattr(images, "fingerprint", None)
    return own() if own is not None else secrets.token_hex(8)


def _volume(volume: Any, project: str) -> Any:
    if isinstance(volume, SummedVolume):
        return tuple(_fingerprint(path, _SECTIONS_OF_VOLUME, project) for path in dict.fromkeys(volume.paths))
    return secrets.token_hex(8)


def _fingerprint(path: str, n_sections: int, project: str) -> tuple[str, int, str]:
    """Give path as seen from the project, size, and a digest of samples of a file: its header, and some of every image.

    Times are not looked at: a copy of the project is the same project, and an image that was replaced by another one
    is another one whatever its time says. Of what is on a server only the address counts.
    """
    if is_remote(path):
        return path, 0, ""
    if os.path.isdir(path):
        return _of_folder(path, project)
    digest = blake2b(digest_size=8)
    with open_file(path, "an image") as stream:
        size = os.fstat(stream.fileno()).st_size
        count = min(_MOST_SAMPLES, _SAMPLES_PER_SECTION * n_sections)
        # the last one ends with the file
        starts = np.linspace(0, max(0, size - _SAMPLE_BYTES), count + 1).astype(np.int64)
        for start in dict.fromkeys(starts.tolist()):
            digest.update(os.pread(stream.fileno(), _SAMPLE_BYTES, start))
    return os.path.relpath(path, project or os.curdir), size, digest.hexdigest()


def _of_folder(path: str, project: str) -> tuple[str, int, str]:
    """Do the same of an OME-Zarr image: names and sizes of its files, and their ends, which are all of small ones."""
    digest, size = blake2b(digest_size=8), 0
    files = sorted(os.path.join(root, name) for root, _, names in os.walk(path) for name in names)
    for file in files:
        with open_file(file, "a part of an image") as stream:
            length = os.fstat(stream.fileno()).st_size
            digest.update(f"{os.path.relpath(file, path)} {length}\n".encode())
            digest.update(os.pread(stream.fileno(), _SAMPLE_BYTES, max(0, length - _SAMPLE_BYTES)))
        size += length
    return os.path.relpath(path, project or os.curdir), size, digest.hexdigest()


def _optics(group: OpticsGroup) -> Any:
    return tuple(vars(group).items())


def _words(*values: Any) -> bytes:
    """Write nested values without ambiguity, arrays with all their bits."""
    parts = []
    for value in values:
        if isinstance(value, np.ndarray):
            parts.append(f"{value.dtype}{value.shape}".encode() + np.ascontiguousarray(value).tobytes())
        elif isinstance(value, tuple | list):
            parts.append(b"(" + _words(*value) + b")")
        else:
            parts.append(repr(value).encode())
    return b"".join(f"{len(part)}:".encode() + part for part in parts)


def _key(content: bytes) -> str:
    return blake2b(content, digest_size=8).hexdigest()

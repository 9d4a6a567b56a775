"""Pictures of sample particles: sections of data and weights, or images of a stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.errors import SubtomoError
from subtomo.io.mrc_read import read_volume
from subtomo.io.relion.images import image_names
from subtomo.model.settings import Output
from subtomo.report.collect import ReportData
from subtomo.report.photo import Panel, photo
from subtomo.report.sampling import even_sample
from subtomo.report.style import Picture

MOST_SAMPLES = 6
_PANEL_INCHES = 2.6
Volume = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Sample:
    """The files of one particle."""

    name: str
    data: Volume
    """(c, c, c), or (images, c, c) of a stack."""
    weights: tuple[Volume, ...]
    """(c, c, c // 2 + 1) each: CTF² and multiplicity, or the root of CTF²; empty if there are none."""
    pixel_size_angstrom: float


def samples(data: ReportData) -> tuple[list[Picture], list[str]]:
    """Draw some particles, spread over the set; return the pictures and notes on what could not be read."""
    pictures, notes = [], []
    for number, read in enumerate(_readers(data), 1):
        try:
            sample = read()
        except SubtomoError as error:
            notes.append(f"A sample particle cannot be shown: {error}")
            break  # the others would say the same
        pictures.append(_picture(number, sample, data))
    return pictures, notes


def _readers(data: ReportData) -> list[Callable[[], Sample]]:
    if data.store is not None:
        store = data.store
        done = np.flatnonzero(store.done)
        return [_from_store(store, int(done[i])) for i in even_sample(len(done), MOST_SAMPLES)]
    if data.particles is None or not data.account.output.write_particles:
        return []
    rows = even_sample(len(data.particles), MOST_SAMPLES)
    images, weights = image_names(data.particles)
    volumes = data.account.settings.output is Output.PSEUDO_SUBTOMOGRAM
    if not (volumes and data.account.output.write_weights):
        weights = [None] * len(images)  # named even where they are not written, as in RELION
    return [_from_files(data, str(data.particles.names[i]), images[i], weights[i]) for i in rows.tolist()]


def _from_store(store: Any, position: int) -> Callable[[], Sample]:
    def read() -> Sample:
        item = store[position]
        weights = (np.sqrt(np.maximum(item.ctf2, 0)),) if item.is_whitened else (item.ctf2, item.multiplicity)
        return Sample(item.name, item.data, weights, item.pixel_size_angstrom)

    return read


def _from_files(data: ReportData, name: str, image: str, weights: str | None) -> Callable[[], Sample]:
    def read() -> Sample:
        volume, pixel_size = read_volume(data.particle_file(image))
        slabs: tuple[Volume, ...] = ()
        if weights:
            both, _ = read_volume(data.particle_file(weights))
            c = volume.shape[-1]
            slabs = tuple(both[i : i + c] for i in range(0, len(both) - c + 1, c))
        return Sample(name, volume, slabs, pixel_size)

    return read


def _picture(number: int, sample: Sample, data: ReportData) -> Picture:
    if data.account.settings.output is Output.PSEUDO_SUBTOMOGRAM:
        return _volume_picture(number, sample, whitened=data.account.settings.is_whitened)
    return _stack_picture(number, sample)


def _volume_picture(number: int, sample: Sample, *, whitened: bool) -> Picture:
    volume, pixel = sample.data, sample.pixel_size_angstrom
    middle = len(volume) // 2
    names = ("√CTF²",) if whitened else ("CTF²", "multiplicity")

    def draw(panels: list[Panel]) -> None:
        _show_density(panels[0], volume[middle], "data / √CTF², x y" if whitened else "data, x y")
        _show_density(panels[1], volume[:, middle], "x z")
        panels[0].scale_bar(volume.shape[-1], pixel)
        planes = [(slab, name, "kx kz") for slab, name in zip(sample.weights, names, strict=False)]
        if len(planes) == 1:
            planes.append((planes[0][0], planes[0][1], "kx ky"))
        for panel, (slab, name, plane) in zip(panels[2:], planes, strict=False):
            section = slab[:, 0] if plane == "kx kz" else slab[0]
            image = whole_plane(section)
            panel.show_weights(image, _top(image))
            panel.write(f"{name}, {plane}\n0 to {_top(image):.3g}", top=True)
        if planes:
            panels[2].write(f"edge: 1/({2 * pixel:.3g} Å)")

    kind = ", ".join(names) if sample.weights else "no weights"
    alt = f"Central sections of particle {sample.name}: data in x y and x z, {kind} in Fourier space"
    png = photo(4, _PANEL_INCHES, draw)
    return Picture(f"particle-{number}", alt, sample.name, png)


def _stack_picture(number: int, sample: Sample) -> Picture:
    """Show four images of a stack, spread over its tilts."""
    stack = sample.data
    chosen = even_sample(len(stack), 4).tolist()

    def draw(panels: list[Panel]) -> None:
        for panel, index in zip(panels, chosen, strict=False):
            _show_density(panel, stack[index], f"image {index + 1} of {len(stack)}")
        panels[0].scale_bar(stack.shape[-1], sample.pixel_size_angstrom)

    alt = f"Images {', '.join(str(index + 1) for index in chosen)} of the stack of particle {sample.name}"
    return Picture(f"particle-{number}", alt, sample.name, photo(4, _PANEL_INCHES, draw))


def _show_density(panel: Panel, image: NDArray[Any], text: str) -> None:
    finite = np.nan_to_num(np.asarray(image, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = np.percentile(finite, (0.5, 99.5))
    top = high if high > low else low + 1e-12
    panel.show_grey(finite, float(low), float(top))
    panel.write(text, top=True)


def _top(image: NDArray[Any]) -> float:
    """Choose the value of the brightest colour: below the largest, so that a peak at the origin does not dominate."""
    return max(float(np.percentile(image, 99.5)), 1e-12)


def whole_plane(half: NDArray[Any]) -> NDArray[Any]:
    """Expand a plane of a half transform (c, c // 2 + 1), origin at [0, 0], to (c, c) with the origin at c // 2."""
    c = len(half)
    values = np.nan_to_num(np.asarray(half, np.float64))
    mirrored = values[-np.arange(c) % c][:, 1 : c // 2 + c % 2][:, ::-1]
    # columns run from 0 to c // 2; Nyquist of even sizes belongs to the negative end
    right, nyquist = values[:, : (c + 1) // 2], values[:, c // 2 : c // 2 + 1 - c % 2]
    return np.fft.fftshift(np.hstack([nyquist, mirrored, right]), axes=0)

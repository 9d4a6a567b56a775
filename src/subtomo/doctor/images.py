"""Checks on image files: sizes, pixel sizes, sections that are used twice, and what a few patches hold."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.doctor.case import Case
from subtomo.doctor.findings import Finding, error, listed, warning
from subtomo.doctor.places import Placed
from subtomo.errors import InputError
from subtomo.io.mrc import ImageAddress
from subtomo.io.relion import labels
from subtomo.io.relion.survey import SurveyedTomogram
from subtomo.model.settings import Output
from subtomo.model.tilt_series import TiltSeries

PIXEL_SIZE_TOLERANCE = 0.05
"""Header and STAR file may differ by this fraction: headers are often rounded."""
CENTRE_PX = 64
"""Side of the square that is read from every tilt."""
LARGEST_PIXEL = 1e15
"""No detector counts as far; squares of larger values overflow."""
PARTICLES_READ = 3
TILTS_READ = 5


def check_headers(case: Case) -> Iterator[Finding]:
    """Look at what headers say."""
    for one in case.series:
        yield from _sizes(one)
        yield from _pixel_sizes(one)
        yield from _sections(one)
    yield from _shared(case)
    yield from _reconstructions(case)


def _sizes(one: SurveyedTomogram) -> Iterator[Finding]:
    by_size = defaultdict(list)
    for path, header in one.headers.items():
        by_size[header.nx, header.ny].append(path)
    if len(by_size) < 2:
        return
    usual = max(by_size, key=lambda size: len(by_size[size]))
    for size, paths in by_size.items():
        if size != usual:
            turned = " (width and height are swapped)" if size == usual[::-1] else ""
            yield error(
                "image size",
                f"tomogram {one.tomogram.name}",
                f"{listed(paths, 2)}: {size[0]} x {size[1]} pixels, the others {usual[0]} x {usual[1]}{turned}",
                "all images of a series must be equally large; make them again",
            )


def _pixel_sizes(one: SurveyedTomogram) -> Iterator[Finding]:
    stated = one.tomogram.pixel_size_angstrom
    # 0 and 1 stand in headers that nobody filled in
    sizes = {
        path: header.pixel_size_angstrom
        for path, header in one.headers.items()
        if header.pixel_size_angstrom not in (0.0, 1.0)
    }
    wrong = {path: size for path, size in sizes.items() if abs(size / stated - 1.0) > PIXEL_SIZE_TOLERANCE}
    if wrong:
        path, size = next(iter(wrong.items()))
        ratio = size / stated
        binned = f"; the images seem to be binned by {ratio:.3g}" if ratio > 1.5 else ""
        yield warning(
            "pixel size",
            f"tomogram {one.tomogram.name}",
            f"{len(wrong)} of {len(one.headers)} headers say {size:.4g} Å per pixel ({path}), but "
            f"{labels.PIXEL_SIZE} is {stated:g}{binned}",
            "the pixel size of the STAR file must be that of these very images; correct it, or the header",
        )


def _sections(one: SurveyedTomogram) -> Iterator[Finding]:
    where = f"tomogram {one.tomogram.name}"
    beyond = [
        address
        for address in one.addresses
        if address.path in one.headers and address.index >= one.headers[address.path].nz
    ]
    if beyond:
        first = beyond[0]
        yield error(
            "images",
            where,
            f"{len(beyond)} tilt(s) ask for sections that do not exist: {first.index + 1}@{first.path}, which "
            f"has {one.headers[first.path].nz}",
            f"correct {labels.TILT_IMAGE}, or the stack",
        )
    twice = _repeated(one.addresses)
    if twice:
        yield error(
            "images",
            where,
            f"{len(twice)} image(s) are used for more than one tilt: {_name(twice[0])}",
            f"each tilt needs an image of its own; correct {labels.TILT_IMAGE}",
        )


def _shared(case: Case) -> Iterator[Finding]:
    users = defaultdict(set)
    for one in case.series:
        for address in one.addresses:
            users[address].add(one.tomogram.name)
    shared = {address: names for address, names in users.items() if len(names) > 1}
    if shared:
        address, names = next(iter(shared.items()))
        yield warning(
            "images",
            listed(sorted(names)),
            f"{len(shared)} image(s) belong to more than one tomogram, the first being {_name(address)}",
            "tomograms should have tilt series of their own; correct the tilt tables",
        )


def _reconstructions(case: Case) -> Iterator[Finding]:
    if case.settings.output is not Output.PROJECTIONS:
        return
    bare = [tomogram.name for tomogram in case.placed if tomogram.reconstruction is None]
    if bare:
        yield error(
            "reconstruction",
            listed(bare),
            "there is no reconstructed tomogram to cut particles from",
            f"name {labels.RECONSTRUCTION} (or both halves) and {labels.TOMOGRAM_BINNING}",
        )


def _repeated(addresses: tuple[ImageAddress, ...]) -> list[ImageAddress]:
    seen, twice = set[ImageAddress](), dict[ImageAddress, None]()
    for address in addresses:
        if address in seen:
            twice[address] = None
        seen.add(address)
    return list(twice)


def _name(address: ImageAddress) -> str:
    return f"{address.index + 1}@{address.path}"


def check_patches(case: Case, placed: tuple[Placed, ...]) -> Iterator[Finding]:
    """Read the centre of every tilt, and patches around a few particles: they must vary and be finite."""
    for one in placed:
        tomogram = one.tomogram
        if tomogram.images is None:
            continue
        try:
            yield from _centres(tomogram)
            yield from _around_particles(case, one)
        except (InputError, OSError, IndexError, ValueError) as problem:
            yield error("images", f"tomogram {tomogram.name}", f"cannot be read: {problem}", "mend or replace the file")


def _centres(tomogram: TiltSeries) -> Iterator[Finding]:
    assert tomogram.images is not None
    x, y = (max(side // 2 - CENTRE_PX // 2, 0) for side in tomogram.image_size)
    squares = [tomogram.images[tilt][y : y + CENTRE_PX, x : x + CENTRE_PX] for tilt in range(tomogram.n_tilts)]
    yield from _judged(squares, [f"tilt {tilt + 1}" for tilt in range(tomogram.n_tilts)], tomogram, "centre")


def _around_particles(case: Case, one: Placed) -> Iterator[Finding]:
    tomogram, images = one.tomogram, one.tomogram.images
    assert images is not None
    size = case.settings.patch_size if case.request.settings else CENTRE_PX
    n = len(one.particles)
    chosen = np.linspace(0, n - 1, min(PARTICLES_READ, n)).astype(int)
    tilts = np.linspace(0, tomogram.n_tilts - 1, min(TILTS_READ, tomogram.n_tilts)).astype(int)
    width, height = tomogram.image_size
    squares, labels = list[NDArray[Any]](), list[str]()
    for particle in chosen.tolist():
        for tilt in tilts.tolist():
            corner = np.floor(one.plan.image_positions_px[particle, tilt]) - size // 2
            if (corner >= 0).all() and (corner + size <= (width, height)).all():
                x, y = corner.astype(int)
                squares.append(images[tilt][y : y + size, x : x + size])
                labels.append(f"particle {one.particles.names[particle]} in tilt {tilt + 1}")
    yield from _judged(squares, labels, tomogram, "patch")


def _is_sound(square: NDArray[Any]) -> bool:
    return bool(((square > -LARGEST_PIXEL) & (square < LARGEST_PIXEL)).all())


def _judged(squares: list[NDArray[Any]], labels: list[str], tomogram: TiltSeries, kind: str) -> Iterator[Finding]:
    broken = [label for square, label in zip(squares, labels, strict=True) if not _is_sound(square)]
    if broken:
        yield error(
            "pixels",
            f"tomogram {tomogram.name}",
            f"pixels are not finite, or beyond {LARGEST_PIXEL:g}: {kind} of {listed(broken)}",
            "mend the images, or leave these tilts out",
        )
    flat = [
        label
        for square, label in zip(squares, labels, strict=True)
        if label not in broken and square.size and square.min() == square.max()
    ]
    if flat:
        yield error(
            "pixels",
            f"tomogram {tomogram.name}",
            f"all pixels are equal: {kind} of {listed(flat)}",
            "these images are empty there; mend them, or leave these tilts out",
        )

"""Draw the ribosomes of the demo before and after refinement, and compare them with a map that had no part in it.

Run it after ``make demo``:

    python examples/refined_ribosomes.py demo-output                       # two pictures
    python examples/refined_ribosomes.py demo-output --map 70S.mrc         # and the correlation with that map

The map may be of any size and voxels; it is put onto the refined one by rotation and shift. A map of the bacterial
ribosome can be made of PDB entry 4V4R, for instance, with 10 Å per voxel.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from subtomo.backends.registry import volume_backend
from subtomo.io.mrc_read import read_volume
from subtomo.io.star import find_table, read_tables
from subtomo.physics.frequency import half_index, wrapped_index
from subtomo.report.surface_pictures import draw_surfaces

Float = NDArray[np.float64]
Complex = NDArray[np.complex128]

N_ORIENTATIONS, N_TRIED = 8000, 12
COARSE_ANGSTROM, FINE_ANGSTROM = 60.0, 35.0


def corrected_fsc(path: Path) -> tuple[Float, Float]:
    """Read frequencies in 1/Å and the corrected Fourier shell correlation of half maps."""
    table = find_table(read_tables(path), "fsc")
    assert table is not None
    return table.floats("rlnResolution"), table.floats("rlnFourierShellCorrelationCorrected")


def resampled(volume: Float, voxel: float, size: int, wanted: float) -> Float:
    """Put a map onto a grid of other voxels, by its transform at the frequencies that both grids have."""
    spectrum = volume_backend().spectrum(_even(volume))
    points = _points(size) * (len(_even(volume)) * voxel / (size * wanted))
    values = volume_backend().sample(spectrum, points).values.reshape(size, size, size // 2 + 1)
    return np.fft.fftshift(np.fft.irfftn(values, s=(size,) * 3, axes=(0, 1, 2)))


def fitted(volume: Float, target: Float, voxel: float) -> Complex:
    """Transform a map, rotated and shifted so that it lies on the target: all orientations, then the best ones."""
    backend, size = volume_backend(), len(target)
    spectrum = backend.spectrum(volume)
    wanted = np.fft.rfftn(np.fft.ifftshift(target))

    def compared(limit: float) -> tuple[Float, Complex]:
        points = _points(size)
        near = (np.linalg.norm(points, axis=1) < size * voxel / limit) & (np.linalg.norm(points, axis=1) > 0.5)
        return points[near], wanted.ravel()[near]

    def correlation(pose: Float, points: Float, values: Complex) -> float:
        found = _moved(backend, spectrum, pose, points, size)
        return float((found.conj() * values).real.sum() / np.sqrt((abs(found) ** 2).sum() * (abs(values) ** 2).sum()))

    points, values = compared(COARSE_ANGSTROM)
    turns = Rotation.concatenate([Rotation.identity(), Rotation.random(N_ORIENTATIONS, random_state=1)]).as_rotvec()
    poses = np.column_stack([turns, np.zeros_like(turns)])
    scores = np.array([correlation(pose, points, values) for pose in poses])
    best = poses[np.argsort(scores)[-N_TRIED:]]
    for limit in (COARSE_ANGSTROM, FINE_ANGSTROM):
        data = compared(limit)
        options = {"xatol": 1e-3, "fatol": 1e-6, "maxiter": 400}
        runs = [
            minimize(lambda pose, *given: -correlation(pose, *given), pose, data, method="Nelder-Mead", options=options)
            for pose in best
        ]
        best = np.array([min(runs, key=lambda run: run.fun).x])
    return _moved(backend, spectrum, best[0], _points(size), size)


def correlation_by_shell(one: Complex, other: Complex, size: int) -> Float:
    """Give the Fourier shell correlation of two half transforms at shells 0 to size / 2 - 1."""
    shell = np.rint(np.linalg.norm(_points(size), axis=1)).astype(int)
    sums = [
        np.bincount(shell, values, size)[: size // 2]
        for values in ((one * other.conj()).real, abs(one) ** 2, abs(other) ** 2)
    ]
    return np.divide(sums[0], np.sqrt(sums[1] * sums[2]), out=np.zeros(size // 2), where=sums[1] * sums[2] > 0)


def draw_curves(path: Path, curves: dict[str, tuple[Float, Float]]) -> None:
    """Draw correlations against frequency, with the resolutions at which they fall below 0.143."""
    figure = Figure(figsize=(7.0, 3.6), layout="constrained")
    axes = figure.subplots()
    colours = {name.partition(",")[0]: f"C{number // 2}" for number, name in enumerate(curves)}
    for name, (frequency, values) in curves.items():
        style = "-" if name.endswith("refined") else "--"
        axes.plot(frequency, values, style, color=colours[name.partition(",")[0]], label=name)
    axes.axhline(0.143, color="grey", linewidth=0.8, linestyle=":")
    axes.set(xlabel="spatial frequency (1/Å)", ylabel="Fourier shell correlation", ylim=(-0.1, 1.02), xlim=(0, 0.05))
    axes.legend(frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Draw, and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("demo-output"), help="output folder of make demo")
    parser.add_argument("--map", type=Path, help="another map of the same molecule, MRC")
    parser.add_argument("--o", type=Path, help="folder for the pictures; by default that of the demo")
    arguments = parser.parse_args()
    folder, out = arguments.folder, arguments.o or arguments.folder
    maps = {"as picked": folder / "average/filtered.mrc", "refined": folder / "refine/run_class001.mrc"}
    volumes = {name: read_volume(path) for name, path in maps.items()}
    voxel = volumes["refined"][1]
    draw_surfaces(out / "refined-surface.png", {name: volume for name, (volume, _) in volumes.items()}, voxel)
    curves = {
        f"half maps, {name}": corrected_fsc(folder / file)
        for name, file in {"as picked": "average/fsc.star", "refined": "refine/fsc.star"}.items()
    }
    if arguments.map is not None:
        curves |= compared_with(arguments.map, volumes["refined"][0], volumes, folder, voxel)
    draw_curves(out / "refined-fsc.png", curves)
    for name, (frequency, values) in curves.items():
        below = next((i for i in range(1, len(values)) if values[i] < 0.143), len(values))
        shown = ", ".join(
            f"{values[i]:.2f} at {1 / frequency[i]:.1f} Å" for i in (8, 12, 14, 16, 18) if i < len(values)
        )
        print(f"{name:28s} {shown}; below 0.143 beyond {1 / frequency[below - 1]:.1f} Å")


def compared_with(
    path: Path,
    target: NDArray[np.float32],
    volumes: dict[str, tuple[NDArray[np.float32], float]],
    folder: Path,
    voxel: float,
) -> dict[str, tuple[Float, Float]]:
    """Correlate unmasked averages with another map, which is put onto the refined one."""
    size = len(target)
    other, other_voxel = read_volume(path)
    moved = fitted(resampled(other.astype(float), other_voxel, size, voxel), target.astype(float), voxel)
    mask = np.fft.ifftshift(read_volume(folder / "refine/mask.mrc")[0])
    other_map = np.fft.irfftn(moved.reshape(size, size, -1), s=(size,) * 3, axes=(0, 1, 2))
    masked = np.fft.rfftn(other_map * mask)
    found = {}
    for name, halves in {
        "as picked": [folder / f"average/half{half}.mrc" for half in (1, 2)],
        "refined": [folder / f"refine/run_half{half}_class001_unfil.mrc" for half in (1, 2)],
    }.items():
        whole = sum(read_volume(half)[0].astype(float) for half in halves) / 2
        spectrum = np.fft.rfftn(np.fft.ifftshift(whole) * mask)
        values = correlation_by_shell(spectrum.ravel(), masked.ravel(), size)
        found[f"{path.stem}, {name}"] = np.arange(size // 2) / (size * voxel), values
    return found


def _even(volume: Float) -> Float:
    """Cut a map to an even side."""
    return volume[tuple(slice(side % 2, None) for side in volume.shape)]


def _points(size: int) -> Float:
    """List the frequencies of a half transform, (n, 3) x, y, z."""
    wrapped = wrapped_index(size).astype(float)
    z, y, x = np.meshgrid(wrapped, wrapped, half_index(size).astype(float), indexing="ij")
    return np.stack([x, y, z], axis=-1).reshape(-1, 3)


def _moved(backend: object, spectrum: object, pose: Float, points: Float, size: int) -> Complex:
    """Sample the transform of a rotated and shifted map; a pose is a rotation vector and a shift in voxels."""
    rotated = Rotation.from_rotvec(pose[:3]).inv().apply(points)
    values: Complex = backend.sample(spectrum, np.ascontiguousarray(rotated)).values  # type: ignore[attr-defined]
    return values * np.exp(-2j * np.pi / size * (points @ pose[3:]))


if __name__ == "__main__":
    main()

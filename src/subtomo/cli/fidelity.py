"""``subtomo fidelity``: how well particle files stand in for the tilt images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, whole_number


@Parameter(name="*", group=Group("Particle", sort_key=1))
@dataclass(frozen=True)
class ModelOptions:
    """What is imaged."""

    n_atoms: Annotated[int, whole_number("--atoms", "Gaussians in each random particle.")] = 2500
    radius_angstrom: Annotated[float, option("--radius", "Radius of a random particle, Å.")] = 45.0
    model_file: Annotated[
        str | None, option("--model", "Atomic model (PDB or mmCIF) to take instead of random particles.")
    ] = None
    n_particles: Annotated[int, whole_number("--particles", "Particles to average the errors over.")] = 3
    seed: Annotated[int, whole_number("--seed", "Of all random numbers.")] = 0


@Parameter(name="*", group=Group("Images", sort_key=2))
@dataclass(frozen=True)
class ImagingOptions:
    """How it is imaged."""

    pixel_size_angstrom: Annotated[float, option("--pixel-size", "Pixel size, Å.")] = 3.0
    n_tilts: Annotated[int, whole_number("--tilts", "Number of tilts.")] = 41
    tilt_range_deg: Annotated[float, option("--tilt-range", "From minus to plus this tilt, degrees.")] = 60.0
    defocus_angstrom: Annotated[float, option("--defocus", "Underfocus, Å.")] = 25_000.0
    dose_per_tilt: Annotated[float, option("--dose", "Dose per tilt, e/Å².")] = 2.5
    snr: Annotated[float, option("--snr", "Variance of the images against that of their noise, per pixel.")] = 0.02
    noise_exponent: Annotated[
        float, option("--noise-exponent", "Colour of the noise: 0 is white, 2 falls steeply with frequency.")
    ] = 0.0


@Parameter(name="*", group=Group("Extraction and output", sort_key=3))
@dataclass(frozen=True)
class SizeAndOutputOptions:
    """What is made of the images."""

    box_size: Annotated[int, whole_number("--b --box-size", "Side of the squares cut from the images, pixels.")] = 128
    crop_size: Annotated[int, whole_number("--crop --crop-size", "Side of the volumes, voxels.")] = 64
    scan: Annotated[
        str | None,
        option(
            "--scan",
            "Repeat for several values of one of the options above, for instance --scan snr=0.1,0.02,0.005. "
            "Crop, box, pixel-size, tilts, tilt-range, defocus, dose, snr, noise-exponent and radius can be scanned.",
        ),
    ] = None
    output_dir: Annotated[str, option("--o --output", "Folder for fidelity.json and the pictures.")] = "fidelity/"


GROUPS = (ModelOptions, ImagingOptions, SizeAndOutputOptions)
"""All options of the command, in the order of its help."""


def fidelity(
    *,
    model: ModelOptions = ModelOptions(),
    imaging: ImagingOptions = ImagingOptions(),
    output: SizeAndOutputOptions = SizeAndOutputOptions(),
) -> int:
    """Measure how far the cost by particle files is from the cost by tilt images, on simulated particles.

    The cost of 181 poses is computed exactly by the images, and as relion_refine does by 2-D stacks and by volumes of
    every --weighting and --data-term. The error is what remains of a straight-line fit, in percent of the spread.
    """
    from subtomo.cli.messages import note, tell, warn
    from subtomo.jobs.fidelity import Study, run_study, write_study
    from subtomo.simulation.conditions import Conditions

    study = Study(
        conditions=Conditions(box_size=output.box_size, crop_size=output.crop_size, **vars(imaging)),
        n_atoms=model.n_atoms,
        radius_angstrom=model.radius_angstrom,
        model_file=model.model_file or None,
        n_particles=model.n_particles,
        seed=model.seed,
        scan=output.scan or None,
    )
    points = run_study(study, note)
    for point in points:
        tell(f"\n{point.caption:30s}      all poses   near the true one   with the true noise level")
        for kind, (everywhere, near) in point.errors_percent.items():
            known = point.knowing_noise_percent.get(kind)
            ideal = "" if known is None else f"{known[1]:20.2f} %"
            tell(f"  {kind:30s}{everywhere:10.2f} %{near:15.2f} %{ideal}")
    folder = write_study(output.output_dir, study, points)
    tell(f"\nnumbers {folder}fidelity.json")
    try:
        from subtomo.report.fidelity import draw_study

        tell(f"pictures {', '.join(draw_study(folder, points))}")
    except Exception as error:  # the numbers are written, whatever becomes of their pictures
        warn(f"the pictures could not be drawn ({type(error).__name__}: {error})")
    return 0

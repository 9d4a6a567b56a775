"""The options of ``subtomo extract`` that decide on the numbers: names, meaning, and what each does to them.

An option that is a setting carries the setting's name here, so that errors about the setting can name the option.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from cyclopts import Group, Parameter

from subtomo.cli.arguments import option, switch, whole_number


@Parameter(name="*", group=Group("Input", sort_key=1))
@dataclass(frozen=True)
class InputOptions:
    """Files to read."""

    optimisation_set: Annotated[
        str | None,
        option(
            "--i --optimisation-set",
            "Optimisation set: a STAR file that names the files below. Options given here override its entries.",
        ),
    ] = None
    particles: Annotated[str | None, option("--p --particles", "Particle set (STAR).")] = None
    tomograms: Annotated[str | None, option("--t --tomograms", "Tomogram set (STAR), of RELION 5 or 4.")] = None
    trajectories: Annotated[
        str | None,
        option(
            "--mot --trajectories", "Particle trajectories (STAR): shift where each tilt is cut out, not the defocus."
        ),
    ] = None


@Parameter(name="*", group=Group("Size", sort_key=2))
@dataclass(frozen=True)
class SizeOptions:
    """Sizes in binned pixels."""

    box_size: Annotated[
        int,
        whole_number(
            "--b --box-size",
            "Side of the squares cut from the tilt images, binned pixels, even. Larger boxes catch more of the "
            "signal that defocus spreads.",
        ),
    ]
    crop_size: Annotated[
        int | None,
        whole_number(
            "--crop --crop-size",
            "Side of the result, binned pixels, even. Cropping happens after CTF multiplication.",
        ),
    ] = None
    binning: Annotated[
        float,
        option(
            "--bin --binning",
            "Binning against the tilt images, 1 or more, need not be whole: crops in Fourier space, so it "
            "limits resolution to twice the binned pixel size.",
        ),
    ] = 1.0


@Parameter(name="*", group=Group("Selection", sort_key=3))
@dataclass(frozen=True)
class SelectionOptions:
    """Which tilts and particles."""

    max_dose_e_per_a2: Annotated[
        float | None,
        option(
            "--max_dose --max-dose",
            "Leave out tilts with more dose than this before them, e/Å².",
        ),
    ] = None
    min_tilts: Annotated[
        int,
        whole_number(
            "--min_frames --min-tilts",
            "Leave out particles visible in fewer tilts. A particle is visible where its cropped box lies "
            "inside the image.",
        ),
    ] = 1
    dose_cutoff: Annotated[
        float,
        option(
            "--cutoff_fract --dose-cutoff",
            "Frequencies whose dose weight is not above this fraction are not inserted into the volume.",
        ),
    ] = 0.01
    keep_offsets: Annotated[
        bool,
        option(
            "--dont_apply_offsets --keep-offsets",
            "Keep coordinates and refined offsets; otherwise coordinates move by the offsets, which become zero.",
        ),
    ] = False
    apply_orientations: Annotated[
        bool,
        option(
            "--apply_orientations --apply-orientations",
            "Build the volume in the refined orientation of the particle; its angles become subtomogram angles."
            " Applies offsets, too.",
        ),
    ] = False


@Parameter(name="*", group=Group("Image processing", sort_key=4))
@dataclass(frozen=True)
class ProcessingOptions:
    """What is done to the images."""

    no_ctf: Annotated[
        bool,
        option(
            "--no_ctf --no-ctf",
            "Multiply neither by CTF nor dose weight; weights are 1. The dose still limits the inserted frequencies.",
        ),
    ] = False
    keep_contrast: Annotated[
        bool,
        option(
            "--no_ic --keep-contrast",
            "Do not invert the contrast: by default images are multiplied by -1, so that density is positive.",
        ),
    ] = False
    no_circle_crop: Annotated[
        bool,
        option(
            "--no_circle_crop --no-circle-crop",
            "Do not mask CTF-weighted images outside the crop circle; otherwise their mean out there is "
            "subtracted first.",
        ),
    ] = False
    circle_precrop: Annotated[
        bool,
        option(
            "--circle_precrop --circle-precrop",
            "Mask patches with a circle as soon as they are cut out, with the mean of their corners subtracted.",
        ),
    ] = False
    whiten: Annotated[
        bool,
        option(
            "--whiten --whiten-noise",
            "Divide each tilt by the amplitude spectrum of its noise. Weights are divided by it once, not "
            "squared, as in RELION.",
        ),
    ] = False
    gridding_precorrection: Annotated[
        bool,
        option(
            "--grid_precorr --gridding-precorrection",
            "Multiply images by RELION's pre-correction for trilinear insertion, which grows towards the edge.",
        ),
    ] = False
    cone_weight: Annotated[
        bool,
        option(
            "--cone_weight --cone-weight",
            "Damp frequencies near the z axis of the particle's refined frame in data and weights: weakens "
            "layers such as membranes.",
        ),
    ] = False
    cone_angle: Annotated[float, option("--cone_angle --cone-angle", "Full opening angle of that cone, degrees.")] = (
        10.0
    )
    cone_sigma: Annotated[
        float, option("--cone_sig0 --cone-sigma", "Width of that cone at the origin, Fourier voxels.")
    ] = 2.0


@Parameter(name="*", group=Group("Terms for alignment", sort_key=5))
@dataclass(frozen=True)
class TermOptions:
    """In which form relion_refine gets the terms of its cost function."""

    for_refine3d: Annotated[
        bool,
        option(
            "--for-refine3d",
            "Recommended for refinement: --weighting whitened, --data-term exact and --complete-noise. relion_refine "
            "then compares particles with its reference as the tilt images themselves would be compared, and finds "
            "better poses.",
        ),
    ] = False
    weighting: Annotated[
        Literal["relion", "whitened"] | None,
        option(
            "--weighting",
            "relion (default): data and CTF², voxel for voxel as RELION writes them. whitened: data / √CTF² and √CTF², "
            "so that the noise is white and relion_refine weighs every voxel rightly; averages stay the same.",
        ),
    ] = None
    data_term: Annotated[
        Literal["relion", "corrected", "exact"] | None,
        option(
            "--data-term",
            "relion (default): trilinear insertion, which damps density away from the centre (by 21 % at half radius). "
            "corrected: the same, divided by that damping. exact: the adjoint of projection, computed by a non-uniform "
            "Fourier transform; takes up to half as long again.",
        ),
    ] = None
    complete_noise: Annotated[
        bool | None,
        switch(
            "complete-noise",
            "Of whitened particles: give voxels that hold too little the noise of the others, with no weight, so that "
            "relion_refine, which takes one noise level from all voxels of a shell, gets it right. Part of "
            "--for-refine3d; --no-complete-noise leaves it out.",
        ),
    ] = None

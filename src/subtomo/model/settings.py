"""Settings: what determines the numbers in a pseudo-subtomogram, and what is written of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, Flag, auto

from subtomo.conventions import round_half_up
from subtomo.errors import SettingsError
from subtomo.model.choices import Settings, settle

_SMALLEST_SIDE = 4


class Output(Enum):
    """What is made of each particle."""

    PSEUDO_SUBTOMOGRAM = "3-D data, CTF² and multiplicity"
    STACK_2D = "a stack of the visible tilts' images"
    PROJECTIONS = "projections of a subtomogram cut from the reconstructed tomogram"


class CircleCrop(Flag):
    """When the corners around the particle are masked, with their mean subtracted."""

    NONE = 0
    PATCH = auto()
    """Hard upon cropping the patch from the tilt image."""
    SLICE = auto()
    """After CTF multiplication, before insertion."""


class Weighting(Enum):
    """How a particle's terms are laid into its files, which decides how relion_refine weighs its voxels."""

    RELION = "data and CTF², compared with one noise level per shell although their noise varies within it"
    WHITENED = "data / √CTF² and √CTF²: the noise is white, so that the comparison is the cost of the tilt images"


class DataTerm(Enum):
    """How slices are added up in the data volume."""

    RELION = "trilinear insertion, which damps the density away from the centre"
    CORRECTED = "trilinear insertion, divided by what it damps the density by"
    EXACT = "the adjoint of projection, by a non-uniform Fourier transform"


@dataclass(frozen=True, repr=False)
class Cone(Settings):
    """A cone around the z axis of the particle's own frame whose frequencies are damped (membranes).

    Raises:
        SettingsError: A value makes no sense.
    """

    angle_deg: float = 10.0
    """Full opening angle."""
    sigma_px: float = 2.0
    """Width at the origin, voxels of the volume's transform."""

    def __post_init__(self) -> None:
        settle(self)
        if not 0 <= self.angle_deg <= 180:
            raise SettingsError(
                f"angle of the cone (angle_deg) is {self.angle_deg:g}, but must be 0 to 180 degrees", field="angle_deg"
            )
        if not (self.sigma_px > 0 and math.isfinite(self.sigma_px)):
            raise SettingsError(
                f"width of the cone (sigma_px) is {self.sigma_px:g}, but must be above zero", field="sigma_px"
            )


@dataclass(frozen=True, repr=False)
class ExtractionSettings(Settings):
    """All that determines the numbers of a particle.

    Choices may be given as words, in capital or small letters: ``weighting="whitened"``, ``data_term="exact"``,
    ``output="stack_2d"``, ``circle_crop=("patch", "slice")``.

    Raises:
        SettingsError: A value makes no sense.
    """

    box_size: int
    """Side of the square cut from the tilt images, binned pixels; even."""
    crop_size: int | None = None
    """Side of the result, binned pixels; even, at most the box size; None for the box size."""
    binning: float = 1.0
    """Of the result against the tilt images; at least 1, need not be whole."""
    output: Output = Output.PSEUDO_SUBTOMOGRAM
    apply_ctf: bool = True
    """Multiply by the CTF and dose weight, and accumulate their square as weight."""
    invert_contrast: bool = True
    """Multiply images by -1, so that density is positive."""
    circle_crop: CircleCrop = CircleCrop.SLICE
    apply_offsets: bool = True
    """Move coordinates by the refined offsets."""
    apply_orientations: bool = False
    """Build the volume in the particle's own frame instead of the subtomogram's."""
    max_dose_e_per_a2: float | None = None
    """Leave out tilts beyond this dose; None for all."""
    min_tilts: int = 1
    """Leave out particles that are visible in fewer tilts."""
    dose_cutoff: float = 0.01
    """Frequencies whose dose weight is not above this are not inserted."""
    whiten: bool = False
    """Divide every tilt by the amplitude of its noise, measured on the whole image."""
    gridding_precorrection: bool = False
    """Multiply images by RELION's factor for trilinear insertion."""
    cone: Cone | None = None
    """Damp the frequencies of a membrane's layers; None for no damping."""
    weighting: Weighting = Weighting.RELION
    data_term: DataTerm = DataTerm.RELION
    complete_noise: bool = False
    """Give voxels of whitened data that hold too little the noise of the others, so that its mean over all voxels of a
    shell, which is what relion_refine estimates, is right."""

    def __post_init__(self) -> None:
        settle(self)
        if self.crop_size is None:
            object.__setattr__(self, "crop_size", self.box_size)
        for name, field, size in (("box size", "box_size", self.box_size), ("crop size", "crop_size", self.crop)):
            if size < _SMALLEST_SIDE or size % 2:
                raise SettingsError(
                    f"{name} ({field}) is {size}, but must be a positive even number, {_SMALLEST_SIDE} or more; "
                    f"try {max(_SMALLEST_SIDE, size + size % 2)}",
                    field=field,
                )
        if self.crop > self.box_size:
            raise SettingsError(
                f"crop size (crop_size) {self.crop} is larger than box size (box_size) {self.box_size}; "
                "the result is cut from the box, so swap the two or enlarge the box",
                field=("crop_size", "box_size"),
            )
        if not (math.isfinite(self.binning) and self.binning >= 1.0):
            raise SettingsError(
                f"binning (binning) is {self.binning:g}, but must be 1 or more: images are never upsampled",
                field="binning",
            )
        if self.min_tilts < 0:
            raise SettingsError(
                f"least number of tilts (min_tilts) is {self.min_tilts}, but must be zero or more", field="min_tilts"
            )
        if not (math.isfinite(self.dose_cutoff) and self.dose_cutoff <= 1.0):
            raise SettingsError(
                f"dose cutoff (dose_cutoff) is {self.dose_cutoff:g}, but must be a finite number of at most 1: a "
                "weight by dose is never more, so that nothing would be left",
                field="dose_cutoff",
            )
        if self.max_dose_e_per_a2 is not None and not self.max_dose_e_per_a2 > 0:
            raise SettingsError(
                f"maximum dose is {self.max_dose_e_per_a2} e/Å², but must be above zero; leave it out to use all tilts",
                field="max_dose_e_per_a2",
            )
        self._check_terms()

    def _check_terms(self) -> None:
        """Refuse what makes no sense together with other terms than RELION's."""
        whitened, own_data = self.weighting is Weighting.WHITENED, self.data_term is not DataTerm.RELION
        if self.output is not Output.PSEUDO_SUBTOMOGRAM and (whitened or own_data):
            raise SettingsError(
                "other terms than RELION's (weighting, data_term) exist for 3-D pseudo-subtomograms, not for "
                f"{self.output.value} (output); leave one of the two out",
                field=("weighting", "data_term", "output"),
            )
        if whitened and not self.apply_ctf:
            raise SettingsError(
                'weighting="whitened" divides by the root of the summed CTF², which apply_ctf=False leaves out; '
                "leave out one of the two",
                field=("weighting", "apply_ctf"),
            )
        if self.complete_noise and not whitened:
            raise SettingsError(
                "complete_noise gives whitened particles the noise that they lack, but weighting is "
                f"{self.weighting.name.lower()}; set weighting to whitened, or leave complete_noise out"
            )
        if own_data and self.gridding_precorrection:
            raise SettingsError(
                "gridding_precorrection=True is meant for trilinear insertion and would spoil "
                f'data_term="{self.data_term.name.lower()}", which needs no such correction; leave it out',
                field=("gridding_precorrection", "data_term"),
            )

    @property
    def crop(self) -> int:
        """The crop size, never None."""
        return self.box_size if self.crop_size is None else self.crop_size

    @property
    def patch_size(self) -> int:
        """Side of the patch in the tilt images, unbinned pixels (RELION's s0)."""
        return round_half_up(self.binning * self.box_size)

    @property
    def boundary(self) -> int:
        """Width of the margin between box and crop, binned pixels."""
        return (self.box_size - self.crop) // 2

    @property
    def relative_box(self) -> float:
        """Crop size divided by box size."""
        return self.crop / self.box_size

    @property
    def moves_coordinates(self) -> bool:
        """Whether offsets are applied; applying orientations implies it."""
        return self.apply_offsets or self.apply_orientations

    @property
    def is_whitened(self) -> bool:
        """Whether files hold whitened terms."""
        return self.weighting is Weighting.WHITENED


class ExtraFile(Flag):
    """Files per 3-D particle beyond data and weights."""

    NONE = 0
    CTF2 = auto()
    """CTF² as a full volume."""
    MULTIPLICITY = auto()
    """Multiplicity as a full volume."""
    DIVIDED = auto()
    """Data divided by CTF²."""
    NORMALISED = auto()
    """Data and CTF², both divided by the multiplicity."""


@dataclass(frozen=True, repr=False)
class OutputSettings(Settings):
    """What is written of the particles; none of it changes their numbers beyond rounding.

    Further files may be given as words: ``extra_files=("ctf2", "divided")``.

    Raises:
        SettingsError: A value makes no sense.
    """

    float16: bool = False
    """Write half precision."""
    extra_files: ExtraFile = ExtraFile.NONE
    write_weights: bool = True
    """Write CTF² and multiplicity in one file per 3-D particle."""
    skip_existing: bool = False
    """Leave particles alone whose main file exists."""
    write_particles: bool = True
    """Write a file per 3-D particle; False only for the sums' sake (2-D stacks are written always)."""
    write_sums: bool = False
    """Write the sums of data and weights over all particles, and their quotient."""
    snr: float | None = None
    """Signal-to-noise ratio of the Wiener division of sums and particles; None for RELION's heuristic."""
    taper_px: float = 5.0
    """Width of the soft spherical edge of divided particles."""
    subtract_mean: bool = True
    """Subtract the mean under that edge from divided particles."""
    keep_coordinates: bool = True
    """Write coordinates also where RELION loses them: those in pixels if offsets are not applied."""

    def __post_init__(self) -> None:
        settle(self)
        if self.snr is not None and not self.snr > 0:
            raise SettingsError(
                f"signal-to-noise ratio (snr) is {self.snr:g}, but must be above zero; leave it out for RELION's "
                "heuristic",
                field="snr",
            )
        if not (self.taper_px >= 0 and math.isfinite(self.taper_px)):
            raise SettingsError(
                f"taper width (taper_px) is {self.taper_px:g}, but must be zero or more", field="taper_px"
            )

    def check_with(self, settings: ExtractionSettings) -> None:
        """Raise SettingsError if these files cannot hold what the settings make."""
        if not settings.is_whitened:
            return
        if ExtraFile.NORMALISED in self.extra_files:
            raise SettingsError(
                'extra_files="normalised" divides data and CTF² by the multiplicity, which whitened particles '
                '(weighting="whitened") do not need: their noise is white already; leave these files out',
                field=("extra_files", "weighting"),
            )
        if not self.write_weights:
            raise SettingsError(
                'whitened data (weighting="whitened") mean nothing without their weights; leave out '
                "write_weights=False",
                field=("weighting", "write_weights"),
            )

"""The conventions of RELION 5.0.1 that everything else relies on, each named once.

Axes
    Arrays are indexed ``[z, y, x]`` (x fastest); vectors are ordered ``(x, y, z)``. Positions in a tomogram are
    "decentred" pixels of the unbinned tilt images: the origin is the corner, pixel ``i`` has its centre at ``i``.
Fourier space
    Half arrays have ``n // 2 + 1`` columns (x) and wrapped rows; for even ``n`` the index ``n // 2`` counts as
    ``-n / 2``. Transforms of images are divided by ``sqrt(number of pixels)`` in both directions.
Centres
    Images and volumes have their centre at ``n // 2``. The projection matrices subtract the *integer* half of the
    tomogram size (`integer_centre`), particle coordinates and defocus add the *exact* half: for odd sizes the two
    differ by half a pixel (quirk 1 of spec/conventions.md §12).
Euler angles
    ``rot, tilt, psi`` are ZYZ in degrees; the matrix maps vectors of the particle's frame to the tomogram's.
Hand
    ``defocus = defocus_at_centre + hand * slope * pixel_size * (depth - depth_of_centre)``.
"""

from __future__ import annotations

from typing import NamedTuple

MISSING_TOMOGRAM_SIZE = -999
"""What RELION takes for each side of a tomogram whose size is not given (§2.1)."""

CTF_FLOOR = 1e-8
"""CTF values nearer to zero are set to plus or minus this (§6.3)."""

CIRCLE_CROP_FALLOFF_PX = 5
"""Width of the soft edge of the circle crop, binned pixels (§6.8)."""

CRITICAL_DOSE = (0.245, -1.665, 2.81)
"""``a * k**b + c``: the critical dose in e/Å² at frequency k in 1/Å (Grant & Grigorieff 2015, §6.5)."""

BLOCK_OVERLAP = 2.0
"""Noise spectra come from blocks of the patch size that advance by its half (§6.7)."""

DIVISION_FLOOR = 0.001
"""Without an SNR, weights are clamped at this fraction of their shell's average before division (§7.5)."""

WHITENING_FLOOR = 1e-8
"""Whitened particles leave voxels out whose CTF² is not above this fraction of the particle's largest: inserted data
vanish with their weights, so that their noise stays at most one down to where rounding begins."""

WEIGHT_SHARPENING = 1.0 / 12.0
"""Share of the second difference that corrected and exact terms take away from CTF², along each axis."""

WEIGHT_KEPT = 0.25
"""Of every weight this share stays at least, along each axis."""

WEIGHT_FLOOR = 3e-4
"""Corrected and exact terms have no CTF² below this fraction of the particle's largest: their data reach a little
beyond the slices, and divided by the root of this their noise stays below that of all other voxels."""

REACH_SHARE = 0.15
"""Share of a weight that its neighbours along each axis get where the reach of noise beyond the slices is wanted."""

RAISED_SHARE = 0.35
"""Completed particles have no CTF² below this share of the weights so spread: what exact data hold beside the slices
is then divided by a root that fits its noise. More would spoil the quadratic term of the cost."""

COMPLETED_LOW_SHELLS = 4
"""Up to this shell the particle's own strong signal, not noise, is what data hold beside the slices."""

COMPLETED_BELOW_LOW = 0.4
"""In these shells voxels are completed whose CTF² is not above this share of their shell's mean."""

COMPLETED_BELOW = (0.01, 0.3)
"""In all others the share is the least between these two for which noise power is not above that of good voxels."""

FOLDING_SHELLS = 8
"""Up to this shell neighbours take over the data of voxels that are completed."""

FOLDING_WINDOW = (0.375, 0.5)
"""They do for particles within the first radius, in parts of the box; between the two it fades."""

FOLDING_ROUNDS = 3
"""Each halves the error of the cost that is left, or better."""

FOLDING_BLOCK = 18
"""Voxels along the axes of the low frequencies that this is done on."""

FILLED_ABOVE = 0.03
"""Voxels whose CTF² is above this fraction of their shell's largest tell the noise of a tilt series."""

DATA_SCALE_TOLERANCE = 1e-4
"""A data scale nearer to one than this is not applied (§7.3)."""

OPTICS_TOLERANCE = 1e-3
"""Optics values of particles and tomograms may differ by this much (§3.1)."""

GIMBAL_THRESHOLD = 2.2250738585072014e-308
"""Below this squared sine of the tilt angle, rot is set to zero (§3.1)."""


class Quirk(NamedTuple):
    """Something in RELION 5.0.1 that surprises; its number is that of spec/conventions.md §12."""

    number: int
    statement: str
    is_reproduced: bool
    """Whether we do the same; otherwise what leads to it is refused, see docs/differences.md."""


QUIRKS = (
    Quirk(1, "projection matrices use the integer half of an odd tomogram size, coordinates the exact half", True),
    Quirk(2, "aberrations of all optics groups use the pixel size of the first group", True),
    Quirk(3, "noise whitening multiplies the weight once, not squared", True),
    Quirk(4, "without the CTF dose weights are left out, too; 3-D data still count as CTF-premultiplied", True),
    Quirk(5, "gridding pre-correction is r / sin(pi r / R), not normalised", True),
    Quirk(6, "voxels that are their own mirror image receive every contribution twice", True),
    Quirk(7, "odd patches shift with a width one pixel short, and lack the last column", True),
    Quirk(8, "output rows are grouped by tomogram, in the order of the set (but here written after the images)", True),
    Quirk(9, "weights files are named even where they are not written", True),
    Quirk(10, "the least number of tilts counts any visible tilts, not those of lowest dose", True),
    Quirk(11, "optimisation sets lose reference maps", True),
    Quirk(12, "sampled particles count from 0 over all tomograms, in pixels, without amplitude contrast", True),
    Quirk(13, "missing alignment, deformations or optics groups and images below the patch size go unnoticed", False),
    Quirk(14, "odd boxes, odd crops and crops larger than the box are not rejected", False),
    Quirk(15, "the image size of real subtomograms in the STAR file can differ from the files by 2", True),
    Quirk(16, "pixel coordinates are lost if offsets are not applied", True),
    Quirk(17, "unknown options are only warned about", False),
    Quirk(18, "particles of unknown tomograms get an optics group without a name", True),
    Quirk(19, "the header of sum_weight.mrc has the pixel size of real space", True),
    Quirk(20, "taper, mean and envelope options leave _data.mrc alone", True),
)
"""All quirks; each has a test of its own number in tests/quirks."""


def round_half_up(value: float) -> int:
    """Round a non-negative number as RELION's ``int(x + 0.5)`` does."""
    return int(value + 0.5)


def integer_centre(size_px: int) -> int:
    """Give the centre that projection matrices use; truncates toward zero, so that -999 gives -499 (§4.1, quirk 1)."""
    return int(size_px / 2)

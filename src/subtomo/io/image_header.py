"""Read the header of an image file, whichever format its name says it has."""

from __future__ import annotations

from subtomo.errors import InputError
from subtomo.io.image_names import ImageAddress, is_remote
from subtomo.io.mrc_header import MrcHeader, read_header
from subtomo.io.tiff import TiffHeader, read_tiff_header
from subtomo.io.zarr_images import ZarrImages, open_zarr_images

_MOVIES = (".eer", ".ecc")


def read_image_header(address: ImageAddress) -> MrcHeader | TiffHeader | ZarrImages:
    """Read the header of the file of a tilt image.

    Raises:
        InputError: The file is missing or unusable, or is a movie.
    """
    if address.path.lower().endswith(_MOVIES):
        raise InputError(
            f"{address.path}: is an EER movie; tilt images are made of movies by motion correction: correct the motion "
            "first, and name the sums"
        )
    if is_remote(address.path) and not address.is_zarr:
        raise InputError(f"{address.path}: on a server only OME-Zarr images (.zarr) are read; copy other files here")
    if address.is_zarr:
        return open_zarr_images(address.path)
    return read_tiff_header(address.path) if address.is_tiff else read_header(address.path)


def refuse_movie(address: ImageAddress, header: MrcHeader | TiffHeader | ZarrImages) -> None:
    """Raise InputError for a file of several sections that is named as one image."""
    if address.is_alone and header.nz > 1:
        raise InputError(
            f"{address.path}: holds {header.nz} sections, but is named as one tilt image; if it is a movie, correct "
            "the motion first, and name the sum; if it is a stack of tilt images, name one of them, such as "
            f"1@{address.path}"
        )

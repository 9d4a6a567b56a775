"""Read tilt images from MRC and TIFF files and OME-Zarr: only what is asked for, memory-mapped where that can be."""

from __future__ import annotations

import mmap
import os
import threading
from collections.abc import Iterable, Iterator
from contextlib import suppress
from copy import copy
from dataclasses import replace
from typing import Any

import numpy as np
from mrcfile.utils import dtype_from_mode
from numpy.typing import NDArray

from subtomo.backends.truncation import survive_truncation
from subtomo.errors import InputError
from subtomo.io.file_state import FileState, file_states
from subtomo.io.guarded import copied
from subtomo.io.image_header import read_image_header, refuse_movie
from subtomo.io.image_names import ImageAddress, is_remote, parse_image_name
from subtomo.io.mrc_header import MODE_4_BIT, MrcHeader, read_header, unreadable
from subtomo.io.oddities import ImageHeader, warn_of
from subtomo.io.tiff import TiffHeader, read_tiff_image
from subtomo.io.zarr_images import ZarrImages

__all__ = ["ImageAddress", "MrcHeader", "TiltImages", "parse_image_name", "read_header"]

_READ_AHEAD = 1 << 17
"""Bytes to ask for at once: what a system reads ahead at least; it may ignore the rest of a longer request."""


_Opened = tuple[MrcHeader, NDArray[Any]] | TiffHeader | ZarrImages
"""For MRC files, header and all sections in the file's own layout."""


class TiltImages:
    """The images of one tilt series: `images[tilt]` is a read-only 2-D array (height, width), row 0 first in the file.

    Pixels keep the type of the file: int8, int16, uint16 or float32, memory-mapped. What cannot be mapped (float16,
    4 bit, foreign byte order, TIFF) is converted when first asked for and kept. Only the tilts that are asked for are
    opened, a file at most once. Threads may share one object; a pickled one opens its files again on the other side.
    Blocks of OME-Zarr images are read when they are needed and kept within a limit (`zarr_images.CACHE_BYTES`).

    A mapped image whose file becomes shorter reads as zeros beyond its end, so compare `file_states` afterwards; where
    the system knows no such thing, to touch it ends the process. `window` copies instead, and raises.
    """

    def __init__(self, addresses: tuple[ImageAddress, ...], name: str, image_size: tuple[int, int]) -> None:
        """Keep what `open` found out; use `open` instead."""
        self.name = name
        self.image_size = image_size  # (width, height) in pixels
        self._addresses = addresses
        self._files: dict[str, _Opened] = {}
        self._converted: dict[ImageAddress, NDArray[Any]] = {}
        self._lock = threading.Lock()

    @classmethod
    def open(cls, addresses: Iterable[ImageAddress], *, name: str) -> TiltImages:
        """Take the images at `addresses`, in tilt order, reading no more than the header of the first.

        Raises:
            InputError: If there is no address, or the first file is missing or unusable.
        """
        # A worker process may have another working folder.
        absolute = tuple(
            address if is_remote(address.path) else replace(address, path=os.path.abspath(address.path))
            for address in addresses
        )
        if not absolute:
            raise InputError(
                f"tomogram {name}: has no tilt images, expected one at least; check its tilt series table."
            )
        first = read_image_header(absolute[0])
        if len({address.path for address in absolute}) == 1:
            warn_of([first])
        return cls(absolute, name, (first.nx, first.ny))

    @property
    def addresses(self) -> tuple[ImageAddress, ...]:
        """Return where the images are, in tilt order."""
        return self._addresses

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (n_tilts, height, width)."""
        width, height = self.image_size
        return len(self._addresses), height, width

    def __len__(self) -> int:
        """Return the number of tilts."""
        return len(self._addresses)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Visit the images in tilt order."""
        return (self[tilt] for tilt in range(len(self)))

    def __getitem__(self, tilt: int) -> NDArray[Any]:
        """Return one image (height, width): read-only, C-contiguous, native byte order, in the file's pixel type.

        Raises:
            InputError: If the file is unusable, lacks this section, or has another image size than the first tilt.
            IndexError: If there is no such tilt.
        """
        address = self._addresses[tilt]
        with self._lock:
            file = self._file(address)
            if not isinstance(file, ZarrImages):
                return self._image(address)
        # threads wait for servers side by side
        return file.image(address.index)

    def window(self, tilt: int, rows: tuple[int, int], columns: tuple[int, int]) -> NDArray[Any]:
        """Copy part of an image: read-only, C-contiguous, native byte order, in the file's pixel type.

        Args:
            tilt: Which image.
            rows: First row, and last row plus one, within the image.
            columns: First and last column plus one.

        Raises:
            InputError: As indexing does, or the file became shorter since it was opened.
        """
        address, (top, bottom), (left, right) = self._addresses[tilt], rows, columns
        with self._lock:
            file = self._file(address)
            if not isinstance(file, ZarrImages) and (isinstance(file, TiffHeader) or not _is_usable(file[0], file[1])):
                part = np.ascontiguousarray(self._image(address)[top:bottom, left:right])
                part.flags.writeable = False
                return part
        if isinstance(file, ZarrImages):
            return file.window(address.index, rows, columns)
        header, sections = file
        start = header.data_offset + address.index * header.section_bytes
        start += top * sections.strides[1] + left * sections.itemsize
        return copied(sections[address.index, top:bottom, left:right], header.path, start)

    def file_states(self) -> dict[str, FileState]:
        """Note size, time and inode of every file here, to see later whether somebody changed it (`changed_files`)."""
        return file_states(address.path for address in self._addresses if not is_remote(address.path))

    @property
    def is_read_in_parts(self) -> bool:
        """Whether a window of an image is had for less than the image."""
        return any(address.is_zarr for address in self._addresses)

    @property
    def is_remote(self) -> bool:
        """Whether an image is on a server."""
        return any(is_remote(address.path) for address in self._addresses)

    def reopened(self) -> TiltImages:
        """Give an equal object that has no file open yet."""
        return copy(self)

    def read_ahead(self, tilt: int, first: int, end: int) -> None:
        """Ask the system to read rows of an image into its cache, without waiting for them; a hint that may fail.

        Args:
            tilt: Which image.
            first: First row.
            end: One more than the last row.
        """
        if not hasattr(os, "posix_fadvise"):
            return
        address = self._addresses[tilt]
        if address.is_zarr:
            return
        with self._lock:
            file = self._file(address)
        if isinstance(file, TiffHeader | ZarrImages):
            return
        header, sections = file
        row, image = sections.strides[1], sections.strides[0]
        start = header.data_offset + address.index * image + first * row
        stop = start + (end - first) * row
        with suppress(OSError), open(address.path, "rb") as stream:
            for at in range(start, stop, _READ_AHEAD):
                os.posix_fadvise(stream.fileno(), at, min(_READ_AHEAD, stop - at), os.POSIX_FADV_WILLNEED)

    def give_back_pages(self) -> None:
        """Let the system count what was read of mapped files as its cache, no longer as memory of this process.

        Threads may go on reading: what they need is mapped again.
        """
        if not hasattr(mmap, "MADV_DONTNEED"):
            return
        with self._lock:
            files = list(self._files.values())
        for file in files:
            mapped = _mapping_of(file[1]) if isinstance(file, tuple) else None
            if mapped is not None:
                mapped.madvise(mmap.MADV_DONTNEED)

    def check(self) -> None:
        """Read the header of every file, so that unusable images are reported before any work; nothing stays open.

        Warns of what is odd about them, once for each kind.

        Raises:
            InputError: As indexing does.
        """
        fresh, headers = self.reopened(), dict[str, ImageHeader]()
        for address in self._addresses:
            file = fresh._file(address)
            headers[address.path] = file[0] if isinstance(file, tuple) else file
        warn_of(headers.values())

    def __getstate__(self) -> dict[str, Any]:
        """Leave mapped and converted pixels out of pickles and copies: a copy has no file open."""
        return {"addresses": self._addresses, "name": self.name, "image_size": self.image_size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start over with no file open."""
        self.__init__(**state)  # type: ignore[misc]

    def _image(self, address: ImageAddress) -> NDArray[Any]:
        """Give an image: mapped if loops can use it as it is, else a converted one, which is kept."""
        image = self._converted.get(address)
        if image is not None:
            return image
        file = self._file(address)
        if isinstance(file, ZarrImages):
            return file.image(address.index)
        if isinstance(file, TiffHeader):
            image = read_tiff_image(file, address.index)
        else:
            header, sections = file
            section: NDArray[Any] = sections[address.index]
            if _is_usable(header, sections):
                return section
            start = header.data_offset + address.index * header.section_bytes
            image = native_section(copied(section, header.path, start), header)
            image.flags.writeable = False
        self._converted[address] = image
        return image

    def _file(self, address: ImageAddress) -> _Opened:
        """Return the header, and for MRC all sections in the file's own layout, of a file, after checking it."""
        path = address.path
        if path not in self._files:
            self._files[path] = self._opened(address)
        file = self._files[path]
        header = file[0] if isinstance(file, tuple) else file
        if not 0 <= address.index < header.nz:
            raise InputError(
                f"{path}: section {address.index + 1} is asked for in tomogram {self.name}, expected 1 to {header.nz}, "
                "the number of sections in the file. Correct the tilt series table or the stack."
            )
        return file

    def _opened(self, address: ImageAddress) -> _Opened:
        """Read a header, and map the sections of an MRC file."""
        header = read_image_header(address)
        if (header.nx, header.ny) != self.image_size:
            width, height = self.image_size
            raise InputError(
                f"{address.path}: images of {header.nx} x {header.ny} pixels in tomogram {self.name}, expected "
                f"{width} x {height} as in its first tilt image, {self._addresses[0].path}. Make all sizes equal."
            )
        refuse_movie(address, header)
        return (header, map_sections(header)) if isinstance(header, MrcHeader) else header


def _mapping_of(sections: Any) -> mmap.mmap | None:
    """Find the mapped memory under an array."""
    while sections is not None and not isinstance(sections, mmap.mmap):
        sections = getattr(sections, "base", None)
    return sections


def _is_usable(header: MrcHeader, sections: NDArray[Any]) -> bool:
    """Tell whether loops can use sections as they are in the file."""
    is_half = sections.dtype.kind == "f" and sections.dtype.itemsize == 2
    return header.mode != MODE_4_BIT and not is_half and sections.dtype.isnative and sections.flags.aligned


def map_sections(header: MrcHeader) -> NDArray[Any]:
    """Map all sections (nz, ny, nx) as they are in the file; rows of 4-bit pixels stay packed in bytes.

    Raises:
        InputError: The file has gone since its header was read, or has become too short.
    """
    if header.mode == MODE_4_BIT:
        dtype, row = np.dtype(np.uint8), (header.nx + 1) // 2
    else:
        dtype, row = dtype_from_mode(header.mode).newbyteorder(header.byte_order), header.nx
    shape = (header.nz, header.ny, row)
    survive_truncation()
    try:
        mapped = np.memmap(header.path, dtype=dtype, mode="r", offset=header.data_offset, shape=shape)
    except OSError as error:
        raise unreadable(header.path, error) from error
    except ValueError as error:
        raise InputError(f"{header.path}: has become shorter while it was read; copy or make it again.") from error
    return mapped.view(np.ndarray)


def native_section(section: NDArray[Any], header: MrcHeader) -> NDArray[Any]:
    """Return a section, or several one below the other, as it is if loops can use that, else a converted copy."""
    if header.mode == MODE_4_BIT:
        # The first pixel of each pair is in the low half of the byte.
        pairs = np.stack((section & 0x0F, section >> 4), axis=-1)
        return np.ascontiguousarray(pairs.reshape(len(section), -1)[:, : header.nx], dtype=np.int8)
    if section.dtype.kind == "f" and section.dtype.itemsize == 2:
        return section.astype(np.float32)
    if not section.dtype.isnative or not section.flags.aligned:
        return section.astype(section.dtype.newbyteorder("="))
    return section

"""Read tilt images from OME-Zarr images, on disks or on servers, in the blocks in which they are stored."""

from __future__ import annotations

import importlib
import math
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from subtomo.doing import doing_to_file
from subtomo.errors import InputError
from subtomo.io.image_names import is_remote
from subtomo.io.oddities import Oddity

CACHE_BYTES = 512 * 2**20
"""Of decoded blocks, of all tilt series together."""
_LARGE_BLOCK_BYTES = CACHE_BYTES // 8
_ANGSTROM_PER = {"angstrom": 1.0, "nanometer": 10.0, "micrometer": 1e4}
_KEPT = {"int8": np.int8, "int16": np.int16, "uint16": np.uint16, "float32": np.float32}
_WIDENED = {"uint8": np.int16, "float16": np.float32, "float64": np.float32}
"""Type of the stored pixels to the one that loops use."""
_RETRIES, _SECONDS = 3, 30
_FEW, _AT_ONCE = 4, 16
"""More blocks of a server than these few are asked for so many at a time."""

Block = NDArray[Any]


class BlockCache:
    """Decoded blocks, the least recently used of which give way; a block that several threads want is read once."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._lock = threading.Lock()
        self._blocks: OrderedDict[object, Future[Block]] = OrderedDict()
        self.held_bytes = 0

    def get(self, key: object, read: Callable[[], Block]) -> Block:
        """Give a block, reading it if it is not there."""
        with self._lock:
            known = self._blocks.get(key)
            if known is not None:
                self._blocks.move_to_end(key)
            else:
                mine = self._blocks[key] = Future[Block]()
        if known is not None:
            return known.result()
        try:
            block = read()
        except BaseException as error:
            with self._lock:
                self._blocks.pop(key, None)
            mine.set_exception(error)
            raise
        mine.set_result(block)
        with self._lock:
            self.held_bytes += block.nbytes
            self._shrink()
        return block

    def _shrink(self) -> None:
        for key in list(self._blocks):
            if self.held_bytes <= self._most:
                return
            if self._blocks[key].done():
                self.held_bytes -= self._blocks.pop(key).result().nbytes


_CACHE = BlockCache(CACHE_BYTES)


@dataclass(frozen=True, eq=False)
class ZarrImages:
    """An OME-Zarr image with one section per tilt, and what its metadata say."""

    nx: int
    ny: int
    nz: int
    """Number of sections."""
    path: str
    """As it was named."""
    pixel_size_angstrom: float
    """Along x; 0 if the metadata do not say it."""
    array: Any = field(repr=False)
    oddities: tuple[Oddity, ...] = ()
    _token: object = field(default_factory=object, repr=False)
    """Which image blocks in the cache are of."""

    def window(self, index: int, rows: tuple[int, int], columns: tuple[int, int]) -> Block:
        """Copy part of a section: read-only, C-contiguous, in native byte order; bytes without a sign become int16.

        Args:
            index: Of the section.
            rows: First row, and last row plus one, within the image.
            columns: First and last column plus one.

        Raises:
            InputError: A block cannot be read or decoded.
        """
        (top, bottom), (left, right) = rows, columns
        part = np.empty((bottom - top, right - left), _pixel_type(self.array))
        depth, height, width = self.array.chunks[-3:]
        z = index // depth
        places = [
            (z, y, x)
            for y in range(top // height, -(-bottom // height))
            for x in range(left // width, -(-right // width))
        ]
        for (_, y, x), block in zip(places, self._blocks(places), strict=True):
            first_row, first_column = max(top, y * height), max(left, x * width)
            last_row, last_column = min(bottom, (y + 1) * height), min(right, (x + 1) * width)
            part[first_row - top : last_row - top, first_column - left : last_column - left] = block[
                index - z * depth,
                first_row - y * height : last_row - y * height,
                first_column - x * width : last_column - x * width,
            ]
        part.flags.writeable = False
        return part

    def image(self, index: int) -> Block:
        """Read a whole section; see `window`."""
        return self.window(index, (0, self.ny), (0, self.nx))

    def _blocks(self, places: list[tuple[int, int, int]]) -> Iterator[Block]:
        """Give blocks one after the other; many of a server are asked for side by side."""

        def get(place: tuple[int, int, int]) -> Block:
            return _CACHE.get((self._token, *place), partial(self._block, *place))

        if len(places) <= _FEW or not is_remote(self.path):
            yield from map(get, places)
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(get, places)

    def _block(self, z: int, y: int, x: int) -> Block:
        depth, height, width = self.array.chunks[-3:]
        first = (0,) * (self.array.ndim - 3)
        place = (
            slice(z * depth, (z + 1) * depth),
            slice(y * height, (y + 1) * height),
            slice(x * width, (x + 1) * width),
        )
        with _told(self.path):
            return np.ascontiguousarray(self.array[(*first, *place)], dtype=_pixel_type(self.array))


@doing_to_file("reading")
def open_zarr_images(path: str) -> ZarrImages:
    """Open an OME-Zarr image at its full resolution, or one array of it, and check that it holds tilt images.

    Args:
        path: A folder, or an address that begins with ``https://``, ``http://``, ``s3://`` or ``gs://``.

    Raises:
        InputError: It is not there, cannot be read, or holds something else; or a package is missing.
    """
    with _told(path):
        found = _opened(path)
    array, pixel_size = found, 0.0
    if not hasattr(found, "chunks"):
        array, pixel_size = _full_resolution(found, path)
    if array.ndim < 3 or any(side != 1 for side in array.shape[:-3]):
        sides = " x ".join(map(str, array.shape))
        raise InputError(f"{path}: has {sides} values, expected tilt images along z, y and x; name the tilt series")
    if str(array.dtype) not in (*_KEPT, *_WIDENED):
        raise InputError(
            f"{path}: has pixels of type {array.dtype}, expected one of {', '.join((*_KEPT, *_WIDENED))}; convert it"
        )
    nz, ny, nx = array.shape[-3:]
    if 0 in array.shape:
        raise InputError(f"{path}: holds no pixel; write it again")
    return ZarrImages(nx, ny, nz, path, pixel_size, array, tuple(_oddities(array)))


def _oddities(array: Any) -> Iterator[Oddity]:
    size = math.prod(array.chunks) * np.dtype(_pixel_type(array)).itemsize
    if size > _LARGE_BLOCK_BYTES:
        sides = " x ".join(map(str, array.chunks[-3:]))
        yield Oddity(
            "large blocks",
            f"is stored in blocks of {sides} pixels ({size / 2**20:.0f} MB), each of which is read whole for any patch",
            "write it in blocks of one tilt and some 256 x 256 pixels if that takes long",
        )


_METADATA = {"zarr.json": 3, ".zarray": 2, ".zgroup": 2}
"""File that a server has to the version of Zarr that it is of."""


def _opened(path: str) -> Any:
    zarr = _module("zarr", "zarr")
    if not is_remote(path):
        if not os.path.isdir(path):
            what = "is no folder, expected an OME-Zarr image" if os.path.exists(path) else "no such folder of an image"
            raise InputError(f"{path}: {what}; correct the name")
        return zarr.open(path, mode="r")
    store = _module("obstore.store", "remote")
    options: dict[str, Any] = {
        "client_options": {"timeout": f"{_SECONDS}s", "connect_timeout": "10s", "allow_http": True},
        "retry_config": {"max_retries": _RETRIES},
    }
    if path.startswith("s3://") and not any(name in os.environ for name in _CREDENTIALS):
        options["skip_signature"] = True  # a public bucket needs none
    opened = store.from_url(path, **options)
    version = _version(opened, path)
    return zarr.open(zarr.storage.ObjectStore(opened, read_only=True), mode="r", zarr_format=version)


def _version(store: Any, path: str) -> int:
    """Find the version of Zarr on a server.

    zarr would ask for all that may be there at once; requests that still wait when one has failed can end the process
    with a signal when it exits.
    """
    get, denied = _module("obstore", "remote").get, _module("obstore.exceptions", "remote").PermissionDeniedError
    problem: Exception = FileNotFoundError(f"there is no {', '.join(_METADATA)}")
    for name, version in _METADATA.items():
        try:
            get(store, name)
        except FileNotFoundError:
            continue
        except denied as error:  # what a public bucket answers for what is not there
            problem = error
        else:
            return version
    raise problem


_CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE",
                "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI")  # fmt: skip


def _full_resolution(group: Any, path: str) -> tuple[Any, float]:
    """Find the array of the first scale, and the size of its pixels."""
    attributes = group.attrs.asdict()
    # since version 0.5 there is a level more
    images = (attributes.get("ome") or attributes).get("multiscales")
    try:
        image = images[0]
        dataset = image["datasets"][0]
        name = str(dataset["path"])
        axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in image.get("axes", ())]
        # those of an image apply to all its scales
        scales = [
            float(one["scale"][-1])
            for owner in (dataset, image)
            for one in owner.get("coordinateTransformations", ())
            if "scale" in one
        ]
    except (TypeError, KeyError, IndexError, AttributeError, ValueError):
        raise InputError(
            f"{path}: is a Zarr group without a list of scales (multiscales), so it is no OME-Zarr image; name the "
            "group of the tilt series, or an array in it"
        ) from None
    names = [str(axis.get("name")) for axis in axes]
    if names and names[-2:] != ["y", "x"]:
        raise InputError(f"{path}: its axes are {', '.join(names)}, expected z, y, x at the end; write it so")
    with _told(path):
        array = group[name]
    unit = _ANGSTROM_PER.get(str(axes[-1].get("unit")).lower()) if axes else None
    return array, unit * math.prod(scales) if unit is not None and scales else 0.0


def _pixel_type(array: Any) -> Any:
    return {**_KEPT, **_WIDENED}[str(array.dtype)]


def _module(name: str, extra: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"OME-Zarr images are read with a package that is missing ({error}): pip install 'subtomo[{extra}]'"
        ) from error


@contextmanager
def _told(path: str) -> Iterator[None]:
    """Turn whatever Zarr, codecs and servers raise into one InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        advice = "check address and network, for S3 also region and credentials" if is_remote(path) else "copy it again"
        raise InputError(f"{path}: cannot be read as an OME-Zarr image ({what}); {advice}") from error

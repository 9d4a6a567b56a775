"""Mapped tilt images: given back to the system, and read again."""

from __future__ import annotations

import sys
from pathlib import Path

import mrcfile
import numpy as np
import pytest

from subtomo.extraction import patches
from subtomo.extraction.patches import MappedPages
from subtomo.io.image_names import ImageAddress
from subtomo.io.mrc import TiltImages

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems do not say what is mapped")
MEGABYTE = 1 << 20


def mapped() -> int:
    return patches._mapped_bytes()


@pytest.fixture
def images(tmp_path: Path) -> TiltImages:
    path = tmp_path / "stack.mrc"
    with mrcfile.new(path) as stack:
        stack.set_data(np.arange(8 * 1024 * 1024, dtype=np.float32).reshape(8, 1024, 1024))
    return TiltImages.open([ImageAddress(str(path), index) for index in range(8)], name="TS_01")


def test_pages_are_given_back_and_can_be_read_again(images: TiltImages) -> None:
    first = images[0][0, 0]
    before = mapped()
    total = sum(float(image.sum()) for image in images)
    assert mapped() > before + 24 * MEGABYTE
    images.give_back_pages()
    assert mapped() < before + 8 * MEGABYTE
    assert images[0][0, 0] == first
    assert sum(float(image.sum()) for image in images) == total


def test_only_much_is_given_back(images: TiltImages, monkeypatch: pytest.MonkeyPatch) -> None:
    assert images[0][0, 0] == 0
    pages = MappedPages(images)
    before = mapped()
    assert sum(float(image.sum()) for image in images) > 0
    pages.tidy()
    assert mapped() > before + 24 * MEGABYTE
    monkeypatch.setattr(patches, "_MOST_MAPPED", 16 * MEGABYTE)
    pages.tidy()
    assert mapped() < before + 8 * MEGABYTE


def test_images_in_memory_have_no_pages_to_give_back() -> None:
    MappedPages(np.zeros((2, 4, 4), np.float32)).tidy()

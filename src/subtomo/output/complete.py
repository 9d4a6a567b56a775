"""Which files a finished particle has, and of what size."""

from __future__ import annotations

import os
from dataclasses import dataclass

from subtomo.extraction.projector import projection_size
from subtomo.io.mrc_header import HEADER_BYTES
from subtomo.model.particles import ParticleSet
from subtomo.model.plan import SeriesPlan
from subtomo.model.settings import ExtractionSettings, ExtraFile, Output, OutputSettings
from subtomo.output.layout import OutputLayout

_SUFFIXES = {
    ExtraFile.CTF2: ("_CTF2",),
    ExtraFile.MULTIPLICITY: ("_multi",),
    ExtraFile.DIVIDED: ("_div",),
    ExtraFile.NORMALISED: ("_data_nrm", "_CTF2_nrm"),
}


@dataclass(frozen=True)
class ParticleFileList:
    """Tells which files belong to a particle, and whether all of them are whole."""

    layout: OutputLayout
    settings: ExtractionSettings
    output: OutputSettings

    def expected(self, entry: SeriesPlan, particles: ParticleSet, index: int) -> list[tuple[str, int]]:
        """List path and size in bytes of the files of the particle at ``index`` of ``entry``, the main one last."""
        tomogram, name = entry.series.name, str(particles.names[entry.particles[index]])
        image, value = self.layout.image(tomogram, name, self.settings.output), 2 if self.output.float16 else 4
        crop = self.settings.crop
        if self.settings.output is not Output.PSEUDO_SUBTOMOGRAM:
            pixels = int(entry.visible[index].sum()) * self._side(entry) ** 2
            return [(image, HEADER_BYTES + value * pixels)]
        whole = HEADER_BYTES + value * crop**3
        root = self.layout.root(tomogram, name)
        suffixes = [suffix for kind in ExtraFile if kind in self.output.extra_files for suffix in _SUFFIXES[kind]]
        files = [(f"{root}{suffix}.mrc", whole) for suffix in suffixes]
        if self.output.write_weights:
            # whitened particles have no multiplicity
            slabs = 1 if self.settings.is_whitened else 2
            half = crop * crop * (crop // 2 + 1)
            files.append((self.layout.weights(tomogram, name), HEADER_BYTES + value * slabs * half))
        return [*files, (image, whole)]

    def are_whole(self, entry: SeriesPlan, particles: ParticleSet, index: int) -> bool:
        """Tell whether all files of a particle are there with all their bytes."""
        return all(_size(path) == size for path, size in self.expected(entry, particles, index))

    def _side(self, entry: SeriesPlan) -> int:
        """Give the side of the images of a stack, pixels."""
        settings, tomogram = self.settings, entry.series
        if settings.output is Output.STACK_2D or tomogram.reconstruction is None:
            return settings.crop
        # the order of multiplication and division is that of the projector: it decides how halves are rounded
        voxel = tomogram.pixel_size_angstrom * tomogram.reconstruction.binning
        return projection_size(settings.crop * settings.binning * tomogram.pixel_size_angstrom / voxel)


def _size(path: str) -> int:
    """Give the bytes of a file, -1 if it is not there."""
    try:
        return os.stat(path).st_size
    except OSError:
        return -1

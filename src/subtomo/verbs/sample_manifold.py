"""Sample particles on surfaces from Python."""

from __future__ import annotations

import os

from subtomo.jobs.sample_manifold import ManifoldJob, ManifoldSummary
from subtomo.jobs.sample_manifold import sample_manifold as run
from subtomo.model.choices import check_kind
from subtomo.model.manifold import SamplingSettings
from subtomo.verbs.places import Tomograms, Where, named, tomograms_file


def sample_manifold(
    tomograms: Tomograms | None,
    manifolds: Where | None,
    output_dir: Where,
    settings: SamplingSettings,
    *,
    optimisation_set: Where | None = None,
    centred: bool = False,
    tilt_series_names: bool = False,
) -> ManifoldSummary:
    """Sample particles on surfaces; the z axis of their frame is the surface's outward normal.

    Args:
        tomograms: The tomogram set, by its file, or read from it; None if an optimisation set names it.
        manifolds: The file of spheres and spheroids; None likewise.
        output_dir: Folder for particles, meshes and an optimisation set.
        settings: Spacing, depth and largest tilt.
        optimisation_set: A file that names those above.
        centred: Write ångströms from the tomogram's centre and all optics, so that the particles can be extracted at
            once, instead of pixels as RELION does.
        tilt_series_names: Write a column with the file of each tilt series.

    Raises:
        InputError: Input is missing, damaged or inconsistent.
        SettingsError: Settings make no sense, or an input would be overwritten.
    """
    check_kind("settings", settings, SamplingSettings)
    job = ManifoldJob(
        output_dir=os.fspath(output_dir),
        tomograms_file=None if tomograms is None else tomograms_file(tomograms),
        manifolds_file=named(manifolds),
        optimisation_set_file=named(optimisation_set),
        centred=centred,
        store_tilt_series_name=tilt_series_names,
        **vars(settings),
    )
    return run(job)

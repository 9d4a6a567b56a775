"""What an extraction will take: files and bytes by arithmetic, minutes from a few particles that are made."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from subtomo.doctor.case import Request
from subtomo.doctor.findings import Finding, error, info
from subtomo.doctor.places import Placed
from subtomo.extraction.plan import plan_extraction
from subtomo.extraction.stream import ParticleStream
from subtomo.jobs.cores import available_cores
from subtomo.model.settings import Output
from subtomo.model.tilt_series import TomogramSet
from subtomo.output.layout import OutputLayout
from subtomo.output.particle_files import file_bytes, files_written
from subtomo.output.sums import sums_bytes
from subtomo.output.written import ParticleWriter

TIMED_PARTICLES, TIMED_TOMOGRAMS = 6, 2


@dataclass(frozen=True)
class Prediction:
    """What an extraction into an empty folder makes."""

    particles: int
    files: int
    """Image files, those of sums included; STAR files, account and report come on top."""
    bytes: int
    """Of these files."""
    minutes: float | None = None
    """None if no particle could be made to see how long it takes."""
    seconds_per_particle: float | None = None
    """On one thread."""


def predict(placed: Sequence[Placed], request: Request) -> Prediction:
    """Count files and bytes of all particles that are kept."""
    settings, output = request.settings, request.output
    assert settings is not None
    n, sizes = 0, list[int]()
    for one in placed:
        visible = one.plan.visible[one.kept].sum(axis=1).tolist()
        n += len(visible)
        for file in files_written(settings, output):
            each = {count: file_bytes(file, settings, output, one.tomogram, count) for count in set(visible)}
            sizes += [each[count] for count in visible]
    if output.write_sums and n:
        sizes += sums_bytes(settings)
    return Prediction(n, len(sizes), sum(sizes))


def timed(prediction: Prediction, placed: Sequence[Placed], request: Request) -> Prediction:
    """Make a few particles in a temporary folder, and tell how long all of them will take."""
    settings = request.settings
    if settings is None:
        return prediction
    needed = [one for one in placed if one.tomogram.reconstruction or settings.output is not Output.PROJECTIONS]
    usable = [one for one in needed if one.tomogram.images is not None and one.kept.any()][:TIMED_TOMOGRAMS]
    if not usable:
        return prediction
    seconds, preparations = list[float](), list[float]()
    for one in usable:
        preparation, each = _time(one, request)
        preparations.append(preparation)
        seconds += each
    per_particle = float(np.mean(seconds))
    threads = max(1, min(request.threads, available_cores(), prediction.particles))
    total = per_particle * prediction.particles / threads + float(np.mean(preparations)) * len(placed)
    return replace(prediction, minutes=total / 60.0, seconds_per_particle=per_particle)


def _time(one: Placed, request: Request) -> tuple[float, list[float]]:
    """Time what a tomogram takes by itself, and a few of its particles, computed and written."""
    settings = request.settings
    assert settings is not None
    particles = one.particles.take(np.flatnonzero(one.kept))
    plan = plan_extraction(TomogramSet((one.tomogram,)), particles, settings)
    # the first one fills caches and may compile loops, so it does not count
    count = min(max(1, TIMED_PARTICLES // TIMED_TOMOGRAMS), len(plan))
    chosen = [0, *np.linspace(0, len(plan) - 1, count).astype(int).tolist()]
    entry = plan.series[0].take(np.array(chosen, np.int64))
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Subtomograms").mkdir()
        writer = ParticleWriter(OutputLayout(folder + "/", separate_tomograms=False), settings, request.output)
        ends = [time.perf_counter()]
        stream = ParticleStream(
            replace(plan, series=(entry,)),
            lambda particle, entry: writer.write(replace(particle, name="timed"), entry.series.name),
            before_series=lambda name: ends.append(time.perf_counter()),
        )
        for outcome in stream.outcomes():
            if outcome.error is not None:
                raise outcome.error
            ends.append(time.perf_counter())
    preparation, _, *seconds = np.diff(ends).tolist()
    return preparation, seconds


def check_prediction(prediction: Prediction, request: Request) -> Iterator[Finding]:
    """Tell the prediction, and compare it with the room on the disk."""
    where = request.output_dir or "output"
    most = "at most " if request.as_zarr else ""
    minutes = prediction.minutes
    pace = "" if minutes is None else f", about {_duration(minutes)} on {request.threads} thread(s)"
    files = "one store" if request.as_zarr else f"{prediction.files} image files"
    yield info("prediction", where, f"{prediction.particles} particles, {files}, {most}{_size(prediction.bytes)}{pace}")
    if request.output_dir is None:
        return
    folder = next(
        path
        for path in (Path(request.output_dir).absolute(), *Path(request.output_dir).absolute().parents)
        if path.exists()
    )
    free, slots = shutil.disk_usage(folder).free, os.statvfs(folder)
    if prediction.bytes > free:
        yield error(
            "disk",
            str(folder),
            f"{_size(prediction.bytes)} are needed, but {_size(free)} are free",
            'free some room, write elsewhere, crop more, or use float16=True or output="stack_2d"',
            field=("float16", "output"),
        )
    if slots.f_files > 0 and slots.f_favail < prediction.files and not request.as_zarr:
        yield error(
            "disk",
            str(folder),
            f"{prediction.files} files are needed, but the file system has room for {slots.f_favail}",
            "write elsewhere, or use as_zarr=True",
            field="as_zarr",
        )


def prediction_facts(prediction: Prediction) -> dict[str, Any]:
    """Give the prediction for programs."""
    return asdict(prediction)


def _size(count: int) -> str:
    for unit, factor in (("TB", 10**12), ("GB", 10**9), ("MB", 10**6)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count / 1000:.1f} kB"


def _duration(minutes: float) -> str:
    if minutes < 1:
        return f"{max(1, round(60 * minutes))} s"
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"

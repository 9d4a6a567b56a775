"""Examine a project: every check, in the order in which its answer matters."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from math import isfinite
from typing import Any

import numpy as np

from subtomo.doctor.case import Case, Request, open_case
from subtomo.doctor.coordinates import check_coordinates
from subtomo.doctor.findings import Diagnosis, Finding, error, info, united
from subtomo.doctor.hand import HandTest, hand_test
from subtomo.doctor.headers import check_oddities, spoils_pixels
from subtomo.doctor.images import check_headers, check_patches
from subtomo.doctor.importing import check_import
from subtomo.doctor.outliers import check_outliers
from subtomo.doctor.particles import check_offsets, check_particles
from subtomo.doctor.places import Placed, place_particles
from subtomo.doctor.prediction import check_prediction, predict, prediction_facts, timed
from subtomo.doctor.tilt_series import check_tilt_series
from subtomo.doctor.visibility import check_visibility, visibility_facts
from subtomo.doctor.written import check_written
from subtomo.errors import SubtomoError
from subtomo.io.relion import labels


def examine(request: Request) -> Diagnosis:
    """Look for whatever could spoil an extraction; problems are collected, never raised."""
    # absurd numbers are findings, and what follows from them needs no warning besides
    with np.errstate(over="ignore", invalid="ignore"):
        return _examine(request)


def _examine(request: Request) -> Diagnosis:
    start = time.monotonic()
    case = open_case(request)
    findings, facts = list(case.findings), dict[str, Any]()
    placed = place_particles(case)
    source = case.particles.source if case.particles is not None else "particles"
    for check in (check_tilt_series, check_outliers, check_headers, check_oddities, check_particles):
        findings += check(case)
    findings += check_offsets(case, placed)
    findings += _safely("import", lambda: check_import(case, facts))
    if request.verify:
        findings += _safely("written files", lambda: check_written(case))
    broken = list[Finding]()
    if not request.headers_only:
        broken = _safely("pixels", lambda: check_patches(case, placed))
        findings += broken
    unreadable = bool(broken) or spoils_pixels(case)
    readable = (
        tuple(replace(one, tomogram=replace(one.tomogram, images=None)) for one in placed) if unreadable else placed
    )
    placement = check_coordinates(readable, source, request.seed, read_images=not request.headers_only)
    findings += placement.findings
    if placement.contrast is not None:
        facts["contrast"] = asdict(placement.contrast)
    if request.settings is not None:
        findings += check_visibility(placed, request.settings, source)
        facts["visibility"] = visibility_facts(placed, request.settings)
        findings += _predicted(readable, request, facts)
    elif placed:
        findings.append(
            info(
                "sizes",
                "box size",
                "no box size is given (box_size), so visibility and disk are not predicted",
                field="box_size",
            )
        )
    if request.hand_test:
        findings += _safely("hand", lambda: _hand(readable, case, facts))
    return Diagnosis(tuple(united(findings)), facts, time.monotonic() - start)


def _predicted(placed: tuple[Placed, ...], request: Request, facts: dict[str, Any]) -> Iterator[Finding]:
    if not placed:
        return
    prediction = predict(placed, request)
    if not request.headers_only and prediction.particles:
        try:
            prediction = timed(prediction, placed, request)
        except SubtomoError as problem:
            yield error(
                "particles",
                "a particle that was made to see how long it takes",
                str(problem),
                "mend its input",
                field=problem.fields,
            )
    facts["prediction"] = prediction_facts(prediction)
    yield from check_prediction(prediction, request)


def _safely(check: str, look: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Turn an error of a check into a finding, so that the others are still made."""
    try:
        return list(look())
    except SubtomoError as problem:
        return [error(check, "images", str(problem), "mend this first, then examine again", field=problem.fields)]


def _hand(placed: tuple[Placed, ...], case: Case, facts: dict[str, Any]) -> Iterator[Finding]:
    request = case.request
    result = hand_test(placed, request.settings, request.hand_particles, request.seed)
    facts["hand"] = {
        **{key: _plain(value) for key, value in asdict(result).items()},
        "is_sure": result.is_sure,
        "favours_other": result.favours_other,
    }
    where = case.tomograms.source if case.tomograms is not None else "tomograms"
    strength = f"z = {result.z:.1f}, p = {result.p:.1g}, {result.n} particles, {result.resolution_angstrom:.0f} Å"
    if result.favours_other:
        yield error(
            "hand",
            where,
            f"the data favour the other hand than {labels.HAND} says ({strength})",
            f"change the sign of {labels.HAND} in the tomogram set, and refine again",
        )
    elif result.is_sure:
        yield info("hand", where, f"the data favour the hand that {labels.HAND} says ({strength})")
    else:
        numbers = f" ({strength})" if result.resolution_angstrom < float("inf") else ""
        yield info("hand", where, f"cannot tell the hand: {result.reason}{numbers}")
    yield from _single(result)


def _single(result: HandTest) -> Iterator[Finding]:
    """Name tomograms that disagree with the others."""
    for name, z, count in result.by_tomogram:
        if z <= -4.0 and not result.favours_other:
            yield error(
                "hand",
                f"tomogram {name}",
                f"the data favour the other hand (z = {z:.1f}, {count} particles)",
                f"change the sign of its {labels.HAND}",
            )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not isfinite(value) else value

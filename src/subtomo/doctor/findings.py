"""What an examination finds: problems, oddities and facts, each with its place and the way out."""

from __future__ import annotations

import html
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from subtomo.model.notebook import Shown
from subtomo.words import listed

__all__ = [
    "CORRECT_IT",
    "Diagnosis",
    "Field",
    "Finding",
    "Severity",
    "error",
    "info",
    "listed",
    "of_message",
    "of_warnings",
    "united",
    "warning",
]

CORRECT_IT = "correct it"
"""What to do where the message of an error does not say."""
Field = str | tuple[str, ...]
"""One field or several, as errors name them."""


class Severity(Enum):
    """How bad it is; the order is that of the account."""

    ERROR = "error"
    """Extraction stops, or its results are wrong."""
    WARNING = "warning"
    """Probably not what is wanted."""
    INFO = "info"
    """Worth knowing; no finding."""


@dataclass(frozen=True)
class Finding:
    """One thing that an examination found."""

    severity: Severity
    check: str
    """Which check found it: one or two words, the same for all findings of a kind."""
    where: str
    what: str
    advice: str = ""
    fields: tuple[str, ...] = ()
    """Names of the settings or arguments that could change."""

    @property
    def counts(self) -> bool:
        """Whether it is a finding proper, which ends the command with 1."""
        return self.severity is not Severity.INFO


@dataclass(frozen=True, repr=False)
class Diagnosis(Shown):
    """All that an examination found."""

    findings: tuple[Finding, ...]
    facts: dict[str, Any]
    """Numbers for programs: prediction, hand, placement."""
    seconds: float

    @property
    def is_clean(self) -> bool:
        """Whether there is neither an error nor a warning."""
        return not any(finding.counts for finding in self.findings)

    def of(self, severity: Severity) -> list[Finding]:
        """List the findings of a severity in the order in which they were found."""
        return [finding for finding in self.findings if finding.severity is severity]

    def _facts(self) -> list[tuple[str, Any]]:
        counts = [(severity.value, len(self.of(severity))) for severity in Severity]
        first = next((one for severity in Severity for one in self.of(severity)), None)
        verdict = "nothing wrong was found" if self.is_clean else ""
        return [
            ("", verdict),
            *((name, n or None) for name, n in counts),
            ("first", first and f"{first.where}: {first.what}"),
        ]

    def _repr_html_(self) -> str:
        """List the findings, worst first."""
        rows = "".join(
            "<tr>" + "".join(f'<td style="text-align:left">{html.escape(text)}</td>' for text in words) + "</tr>"
            for severity in Severity
            for one in self.of(severity)
            for words in [(one.severity.value, one.check, one.where, one.what, one.advice)]
        )
        return f"{super()._repr_html_()}<table>{rows}</table>"

    def plain(self) -> dict[str, Any]:
        """Put everything into the types that JSON has."""
        rows = [
            {
                "severity": one.severity.value,
                "check": one.check,
                "where": one.where,
                "what": one.what,
                "advice": one.advice,
                "fields": list(one.fields),
            }
            for severity in Severity
            for one in self.of(severity)
        ]
        return {"clean": self.is_clean, "findings": rows, **self.facts, "seconds": round(self.seconds, 3)}


def error(check: str, where: str, what: str, advice: str, *, field: Field = ()) -> Finding:
    """Make a finding that stops extraction or spoils its results."""
    return Finding(Severity.ERROR, check, where, what, advice, _fields(field))


def warning(check: str, where: str, what: str, advice: str, *, field: Field = ()) -> Finding:
    """Make a finding about what is probably not wanted."""
    return Finding(Severity.WARNING, check, where, what, advice, _fields(field))


def info(check: str, where: str, what: str, advice: str = "", *, field: Field = ()) -> Finding:
    """Make a remark."""
    return Finding(Severity.INFO, check, where, what, advice, _fields(field))


def of_message(check: str, where: str, message: str, *, field: Field = ()) -> Finding:
    """Turn the message of an error into a finding: what follows its last semicolon says what to do."""
    what, _, advice = message.rstrip(".").rpartition("; ")
    return error(check, where, what or advice, advice if what else CORRECT_IT, field=field)


def of_warnings(messages: Iterable[str]) -> Iterator[Finding]:
    """Turn what readers warned of into findings: what follows the last semicolon says what to do."""
    for message in messages:
        what, _, advice = message.rpartition("; ")
        where, _, told = (what or message).partition(": ")
        yield warning("input", where if told else "input", told or what or message, advice if what else "")


def united(findings: Iterable[Finding]) -> list[Finding]:
    """Make one finding of those that say the same about several places, where the first of them stands."""
    places: dict[Finding, dict[str, None]] = {}
    for finding in findings:
        places.setdefault(replace(finding, where=""), {})[finding.where] = None
    return [replace(finding, where=listed(where)) for finding, where in places.items()]


def _fields(field: Field) -> tuple[str, ...]:
    return (field,) if isinstance(field, str) else field

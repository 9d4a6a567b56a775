"""Print one line per case: its name, the worst error of each kind of image, and whether it passed."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from tests.conformance.cases import CASES, COVERED, NOT_YET_COVERED
from tests.conformance.runner import judge, run_case


def main() -> int:
    """Run all covered cases; return 1 if one of them fails."""
    os.environ["SUBTOMO_NO_REPORT"] = "1"  # RELION writes none
    width = max(map(len, CASES))
    failed = 0
    for name in (name for name in CASES if name in COVERED):
        with tempfile.TemporaryDirectory() as folder:
            report = judge(CASES[name], run_case(CASES[name], Path(folder)))
        errors = "  ".join(f"{kind} {error:.0e}" for kind, error in sorted(report.worst.items()))
        failed += bool(report.problems)
        print(f"{name:<{width}}  {'FAIL' if report.problems else 'pass'}  {errors}", flush=True)
        for problem in report.problems[:5]:
            print(f"    {problem}")
    print(f"not yet covered: {', '.join(name for name in CASES if name in NOT_YET_COVERED)}")
    print(f"{len(COVERED) - failed} of {len(COVERED)} covered cases agree with RELION; {len(CASES)} cases in all")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

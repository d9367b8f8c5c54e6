"""Write the bundled samples, or say what they achieve: `python -m greensched.generate`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from greensched.errors import GreenschedError
from greensched.generate.figures import (
    database_figures,
    intensity_figures,
    job_figures,
    service_figures,
)
from greensched.generate.samples import (
    HISTORY_DAYS,
    SAMPLE_DAYS,
    SAMPLE_SEED,
    sample_databases,
    sample_intensity,
    sample_jobs,
    sample_services,
    write_samples,
)
from greensched.units import MS_PER_DAY


def main() -> int:
    """Write the files, or print the figures as `name value` lines; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m greensched.generate", description=__doc__)
    parser.add_argument("--seed", type=int, default=SAMPLE_SEED)
    parser.add_argument("--out", type=Path, default=Path("traces"), help="folder of the files")
    parser.add_argument("--figures", action="store_true", help="print what the samples achieve")
    asked = parser.parse_args()
    try:
        if asked.figures:
            sys.stdout.write(_figures(asked.seed))
        else:
            for path in write_samples(asked.out, seed=asked.seed):
                sys.stdout.write(f"{path}\n")
    except GreenschedError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    return 0


def _figures(seed: int) -> str:
    """Return the figures of all four samples, four significant digits each."""
    window = (HISTORY_DAYS * MS_PER_DAY, SAMPLE_DAYS * MS_PER_DAY)
    found = {
        **service_figures(sample_services(seed)),
        **job_figures(sample_jobs(seed), *window),
        **database_figures(sample_databases(seed)),
        **intensity_figures(sample_intensity(seed)),
    }
    return "".join(f"{name} {value:.4g}\n" for name, value in found.items())


if __name__ == "__main__":
    sys.exit(main())

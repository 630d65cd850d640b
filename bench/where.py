"""`traces ls --where` over compacted records, as JSON: the median of five processes for each of a few conditions.

`python -m bench.where [--compacted N] [--folder DIR]`; 1,000,000 take a minute to make. Exits 3 where one takes longer
than 2 s.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.reports import DAYS, write_day
from llmctl.reports.compact import compact, remove_compacted
from llmctl.reports.duck import database

ROOT = Path(__file__).resolve().parent.parent
BAR = 2.0
RUNS = 5
CONDITIONS = (
    "status=failed and model=model-3",
    "duration>0s",
    "model~model-1 or cost>0.005 and not tenant=tenant-3",
    "id=req_000000004000012345",
)


def compacted(folder: Path, count: int) -> None:
    """So many records over ten days, Parquet only."""
    rng = random.Random(1)
    for day in range(DAYS):
        write_day(folder, day, count // DAYS, rng, False)
        with database() as db:
            list(compact(folder, db, now=time.time() + 1000))
            remove_compacted(folder, db)


def seconds(folder: Path, where: str) -> float:
    """One process's, from its start to its end."""
    command = [sys.executable, str(ROOT / "cli.py"), "traces", "ls", "--traces", str(folder), "--where", where]
    begun = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.PIPE)
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--compacted", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, default=None)
    asked = parser.parse_args()
    scratch = Path(tempfile.mkdtemp(prefix="llmctl-bench-where-", dir=asked.folder))
    try:
        compacted(scratch, asked.compacted)
        found = {where: statistics.median(seconds(scratch, where) for _ in range(RUNS)) for where in CONDITIONS}
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    p50 = {where: round(took, 2) for where, took in found.items()}
    print(json.dumps({"records": asked.compacted, "p50_s": p50, "bar_s": BAR, "load": os.getloadavg()}, indent=2))
    return 3 if max(found.values()) > BAR else 0


if __name__ == "__main__":
    sys.exit(main())

"""Items per second and memory of `llmctl eval` against a scripted provider, as JSON. `python bench/evals.py`.

The whole command is measured, from the start of its process to its exit: imports, dataset, run, results file, summary.
`run_items_per_second` counts from the first question to the results file.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SUITE = """
name: bench
dataset: {{kind: jsonl, path: items.jsonl, expected: answer}}
targets: {{up: {target}}}
prompts: {{p: "Question {{{{id}}}}: {{{{question}}}} Answer in a word."}}
scorers: [{{kind: icontains, value: "{{{{answer}}}}"}}, {{kind: regex, value: "[a-z]+", weight: 0}}]
run: {{concurrency: {concurrency}}}
"""
GATEWAY = """
version: 1
providers: {{up: {{kind: openai, base_url: "{url}"}}}}
models: {{m: {{provider: up}}}}
"""
TARGETS = {
    "gateway": "{{kind: gateway, config: gateway.yaml, model: m}}",
    "url": '{{kind: url, base_url: "{url}", model: m}}',
}


@contextmanager
def provider(latency: str) -> Iterator[str]:
    """The scripted server as a process of its own; its base URL."""
    command = [sys.executable, "-m", "llmctl.testing.scripted", "--port", "0", "--latency", latency]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["base_url"]
        finally:
            process.terminate()


def measured(kind: str, items: int, latency: str, concurrency: int) -> dict[str, Any]:
    """One run, in a folder of its own."""
    with tempfile.TemporaryDirectory() as name, provider(latency) as url:
        folder = Path(name)
        (folder / "gateway.yaml").write_text(GATEWAY.format(url=url))
        target = TARGETS[kind].format(url=url)
        (folder / "suite.yaml").write_text(SUITE.format(target=target, concurrency=concurrency))
        with (folder / "items.jsonl").open("w") as file:
            for at in range(items):
                row = {
                    "id": f"q{at}",
                    "question": f"Which river is longer than {at} km, and through which countries does it flow?",
                    "answer": "the",
                }
                file.write(json.dumps(row) + "\n")
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", "from llmctl.commands.main import main; main()", "eval", "suite.yaml", "--json"],
            cwd=folder,
            stdout=(folder / "told").open("w"),
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)},
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        assert process.returncode == 0, f"llmctl eval: exit {process.returncode}"
        told = json.loads((folder / "told").read_text())
    (figures,) = told["variants"]
    assert told["asked"] == items
    assert not figures["errors"], "answers are errors: what was measured is not what was meant"
    return {
        "target": kind,
        "items": items,
        "latency": latency,
        "concurrency": concurrency,
        "seconds": round(seconds, 2),
        "items_per_second": round(items / seconds),
        "run_items_per_second": round(items / told["seconds"]),
        "peak_mib": round(usage.ru_maxrss / 1024),
        "cpu_seconds": round(usage.ru_utime + usage.ru_stime, 2),
    }


def main() -> None:
    """Both ways of asking."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--latency", default="20ms")
    parser.add_argument("--concurrency", type=int, default=80)
    given = parser.parse_args()
    found = [measured(kind, given.items, given.latency, given.concurrency) for kind in TARGETS]
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()

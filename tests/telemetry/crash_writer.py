"""Writes records at about 5,000 a second to the store in argv[1], and prints when each was taken; ends by SIGKILL."""

import os
import sys
import time

from llmctl.clock import SystemClock
from llmctl.config.schema import RecordsConfig
from llmctl.model.record import Record
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.store import RecordStore

store = RecordStore(RecordsConfig(dir=sys.argv[1]), Redactor(), SystemClock(), print)
number = 0
while True:
    due = time.monotonic() + 0.01
    lines = []
    for _ in range(50):
        store.write(Record(f"req_{number:022d}", time.time(), 1000, "ok", 200, request="x" * 1000))
        lines.append(f"{number} {time.monotonic()}\n")
        number += 1
    os.write(1, "".join(lines).encode())
    time.sleep(max(0.0, due - time.monotonic()))

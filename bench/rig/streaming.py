"""Streams: how many chunks a second are relayed, and what an open stream weighs."""

from statistics import median

from bench.rig.plan import Plan
from bench.rig.processes import BenchFailed, raise_file_limit, rss_mb
from bench.rig.report import Bar, Details, Section
from bench.rig.served import MODEL, served
from bench.rig.streams import Relayed, Source, hold_open, relay
from bench.rig.upstreams import responder, responder_command
from bench.rig.wrk import chat_body

BAR_CHUNKS = 25_000
BAR_KB = 40
FAST_STREAMS = 64
FAST_CHUNKS = 200
PACED_CHUNKS = 500
GAP_US = 20_000  # 50 chunks a second: a fast model

_BODY = chat_body(MODEL, stream=True)
_DIRECT = b"POST /v1/chat/completions HTTP/1.1\r\nhost: mock\r\ncontent-length: %d\r\n\r\n%b" % (len(_BODY), _BODY)


def streams(plan: Plan) -> Section:
    """Chunks a second, from an upstream without brakes and from one that sends each chunk when it is due."""
    section = Section(responder_command(plan.scratch)[1])
    raise_file_limit()
    plan.say(f"streams, {FAST_STREAMS} as fast as possible")
    fast = _measure(plan, FAST_STREAMS, FAST_CHUNKS, 0)
    offered = plan.streams * 1e6 / GAP_US
    plan.say(f"streams, {plan.streams} paced, {offered:,.0f} chunks/s offered")
    paced = _measure(plan, plan.streams, PACED_CHUNKS, GAP_US)
    plan.say("streams, the reader and the upstream alone, at twice that")
    alone = _alone(plan, 2 * plan.streams, PACED_CHUNKS, GAP_US)
    # What one core could do if no two chunks ever came together: from CPU time at half the load, where none do.
    plan.say(f"streams, {plan.streams // 2} paced, for the cost of a chunk that comes alone")
    half = _measure(plan, plan.streams // 2, PACED_CHUNKS, GAP_US)
    apart = half["chunks_per_s_of_one_core"] = round(1e6 / half["cpu_us_per_read"])
    section.bars.append(Bar("relayed chunks, one core, none together", apart, "at least", BAR_CHUNKS, "chunks/s"))
    section.details = {
        "as_fast_as_possible": fast,
        "paced": {"offered_chunks_per_s": round(offered), **paced},
        "paced_half": {"offered_chunks_per_s": round(offered / 2), **half},
        "without_gateway": {"offered_chunks_per_s": round(2 * offered), **alone},
    }
    for name, found in (("as fast as possible", fast), ("paced", paced)):
        rate = found["chunks_per_s"]
        section.bars.append(Bar(f"relayed chunks, {name}", rate, "at least", BAR_CHUNKS, "chunks/s"))
        section.bars.append(Bar(f"stream errors, {name}", found["errors"], "at most", 0, "streams"))
    return section


def _measure(plan: Plan, count: int, chunks: int, gap_us: int) -> Details:
    with responder(plan.scratch, chunks, gap_us) as port, served(plan.scratch, port) as it:
        source = Source(it.port, it.request(_BODY), chunks, it.pid)
        found = [relay(source, count, settle=2, seconds=plan.seconds) for _ in range(plan.repeats)]
        return {**_row(found), "rss_after_mb": round(rss_mb(it.pid), 1)}


def _alone(plan: Plan, count: int, chunks: int, gap_us: int) -> Details:
    with responder(plan.scratch, chunks, gap_us) as port:
        found = relay(Source(port, _DIRECT, chunks), count, settle=2, seconds=min(4.0, plan.seconds))
    row = _row([found])
    return {name: value for name, value in row.items() if not name.startswith("cpu_us")}


def _row(found: list[Relayed]) -> Details:
    return {
        "streams": found[0].streams,
        "chunks_per_s": round(median(run.chunks_per_s for run in found)),
        "cpu_us_per_chunk": round(median(run.cpu_us_per_chunk for run in found), 2),
        "chunks_per_read": round(median(run.chunks_per_read for run in found), 2),
        "reads_per_s": round(median(run.chunks_per_s / run.chunks_per_read for run in found)),
        "cpu_us_per_read": round(median(run.cpu_us_per_chunk * run.chunks_per_read for run in found), 2),
        "reader_cores": round(median(run.client_cpu for run in found), 2),
        "streams_finished": sum(run.finished for run in found),
        "errors": sum(len(run.errors) for run in found),
        "first_errors": [error for run in found for error in run.errors][:3],
        "runs_chunks_per_s": [round(run.chunks_per_s) for run in found],
    }


def open_streams(plan: Plan) -> Section:
    """Memory for each stream that is open and gets a chunk every second."""
    section = Section(responder_command(plan.scratch)[1])
    count, chunks = plan.open_streams, 3600
    if (limit := raise_file_limit()) < 2 * count + 200:
        raise BenchFailed(f"{count} streams need {2 * count + 200} open files in the gateway; ulimit -Hn is {limit}")
    with responder(plan.scratch, chunks, 1_000_000) as port, served(plan.scratch, port) as it:
        source = Source(it.port, it.request(_BODY), chunks, it.pid)
        plan.say("open streams, a first one to load what is loaded late")
        hold_open(source, 1, settle=1, within=10)
        plan.say(f"open streams, {count}")
        found = hold_open(source, count, settle=5, within=60)
        section.details = {
            "streams": count,
            "rss_before_mb": round(found.before, 1),
            "rss_open_mb": round(found.open, 1),
            "kb_per_stream": round((found.open - found.before) * 1024 / count, 1),
            "errors": len(found.errors),
            "first_errors": found.errors[:3],
        }
    section.bars.append(Bar("memory per open stream", section.details["kb_per_stream"], "at most", BAR_KB, "KB"))
    section.bars.append(Bar("errors of open streams", len(found.errors), "at most", 0, "streams"))
    return section

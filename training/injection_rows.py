"""The rows that the `injection` guard is trained and measured on: public data (../shared/data) and our own phrases."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import injection_benign as benign
import injection_grammar as grammar
import injection_phrases as phrases
import injection_tongues as tongues

from llmctl.guards import injection_model as model
from llmctl.guards.normalise import normalise

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
OWN = Path(__file__).resolve().parent / "injection_rows"
CUT = 4000
JOINED = frozenset({"thread", "page", "collection", "search_page", "tool_json", "tool_text"})  # made of other documents
LIMITS = {
    "grammar": 1500, "benign": 1500, "tongues": 1500, "tongues_honest": 1200, "own_attacks": 800, "own_honest": 800,
    "own_long": 300, "mmlu": 400, "davidson": 600, "clinc150": 600, "banking77": 250, "surge": 500, "zeroeval": 200,
    "presidio": 250, "evidence": 300, "passages": 250, "talk": 500, "outputs": 200, "claims": 250, "mixed": 200,
    "own_windows": 6000, "bipia_clean": 1500, "transcripts": 2500, "exercises": 1500,
}  # fmt: skip
PROSE = (
    ("outputs", "routing/zeroeval_outputs/gpt-4o-mini-2024-07-18.jsonl.gz", 400),
    ("passages", "grounding/begin_dev_wow.jsonl.gz", 500),
    ("talk", "grounding/begin_dev_tc.jsonl.gz", 500),
    ("talk", "grounding/begin_dev_cmu.jsonl.gz", 500),
    ("evidence", "grounding/citation_dev.jsonl", 600),
)


class Row(NamedTuple):
    """One text. `group` is never on both sides of a split; `document` is the number of what a window was cut from."""

    text: str
    label: int
    source: str
    group: str
    document: int = -1


def read(name: str) -> list[dict[str, Any]]:
    """The rows of a file of ../shared/data."""
    path = DATA / name
    with gzip.open(path, "rt") if name.endswith(".gz") else path.open() as lines:
        return [json.loads(line) for line in lines]


def sample(rows: list[Any], count: int, random: Random) -> list[Any]:
    """`count` of the rows."""
    return random.sample(rows, min(count, len(rows)))


def limited(rows: list[Row], random: Random) -> list[Row]:
    """The rows, LIMITS of each source."""
    sources: dict[str, list[Row]] = {}
    for row in rows:
        sources.setdefault(row.source, []).append(row)
    return [row for name, mine in sources.items() for row in sample(mine, LIMITS.get(name, len(mine)), random)]


def written(name: str) -> list[dict[str, Any]]:
    """The rows of a file of injection_rows/: written one by one, by people who did not see the guard."""
    with (OWN / f"{name}.jsonl").open() as lines:
        return [json.loads(line) for line in lines]


def written_rows() -> list[Row]:
    """Those of users. A family is a group; in other languages that of one language, and each honest row is its own."""
    rows = [Row(row["text"], row["label"], "english", f"english {row['family']}") for row in written("english")]
    for row in written("multilingual"):
        group = f"{row['language']} {row['family']}" + ("" if row["label"] else f" {row['text']}")
        rows.append(Row(row["text"], row["label"], "multilingual", group))
    return rows


def pasted_rows() -> list[Row]:
    """Honest documents as users paste them: all of each, and in other languages than English its windows as well."""
    rows = []
    for row in written("documents"):
        if not row["label"]:
            texts = [row["text"], *(cut(normalise(row["text"]).text) if row["language"] != "en" else ())]
            rows += [Row(text, 0, "pasted", f"pasted {row['text']}") for text in texts]
    return rows


def document_rows() -> list[Row]:
    """The windows of the documents: an attack's where it overlaps by a good part, neither where by less."""
    rows = []
    for number, row in enumerate(written("documents")):
        text, family = normalise(row["text"]).text, row["family"].partition("/")[0].partition(".")[0]
        attack = normalise(row.get("attack", "")).text
        start = text.find(attack) if row["label"] else len(text)
        if start < 0:
            continue
        group = f"{'joined' if family in JOINED else 'documents'} {family}"
        for at, end in spans(text):
            overlap = min(end, start + len(attack)) - max(at, start)
            if overlap <= 0 or overlap >= min(20.0, 0.4 * len(attack)):
                rows.append(Row(text[at:end], int(overlap > 0), "documents", group, number))
    return rows


def public_rows(random: Random) -> list[Row]:
    """Labelled public requests."""
    rows = [
        Row(row["text"], row["label"], name, row["text"][:60])
        for name in ("deepset", "benign_security", "benign_roleplay", "benign_queries")
        for row in read(f"injection/{name}.jsonl")
    ]
    questions = [row.text for row in rows if row.source == "benign_queries"]
    for row in read("injection/jailbreak_templates.jsonl"):
        text = row["text"].replace("{% raw %}", "").replace("{% endraw %}", "")
        text = text.replace("{{ prompt }}", random.choice(questions))
        rows.append(Row(text, 1, "jailbreak_templates", text[:40]))
    rows += [
        Row(row["text"], 1, f"cyberseceval_{row['type']}", row["variant"])
        for row in read("injection/cyberseceval.jsonl")
    ]
    return rows


def other_rows(random: Random) -> list[Row]:
    """Public texts that nobody collected as attacks: queries, comments, passages. None is an injection."""
    files = (
        ("clinc150", "cache/clinc150_trainval.jsonl.gz", "text", 1500),
        ("banking77", "cache/banking77_train.jsonl.gz", "text", 700),
        ("zeroeval", "routing/zeroeval_prompts.jsonl.gz", "prompt", 500),
        ("surge", "toxicity/surge.jsonl", "text", 1000),
        ("davidson", "toxicity/davidson.jsonl.gz", "text", 1500),
        ("mmlu", "routing/routellm_mmlu.jsonl.gz", "prompt", 1500),
        ("presidio", "pii/presidio_v2.jsonl", "text", 800),
        ("claims", "grounding/fool_me_twice_dev.jsonl.gz", "claim", 500),
    )
    rows = [
        Row(row[field], 0, name, row[field][:60])
        for name, path, field, count in files
        for row in sample(read(path), count, random)
    ]
    for name, path, count in PROSE:
        texts = [text for row in read(path) for text in words(row)]
        rows += [Row(text, 0, name, text[:60]) for text in sample(sorted(set(texts)), count, random)]
    return rows


def own_rows(random: Random, questions: list[str]) -> list[Row]:
    """What we wrote."""
    rows = [Row(text, 1, "own_attacks", group) for group, text in phrases.attacks(random, questions, 8)]
    rows += [Row(text, 0, "own_honest", group) for group, text in phrases.honest(random, 8)]
    rows += [Row(text, 1, "grammar", group) for group, text in grammar.attacks(random, questions, 14)]
    rows += [Row(text, 0, "benign", group) for group, text in benign.honest(random, questions, 16)]
    rows += [Row(text, 1, "tongues", group) for group, text in tongues.attacks(random, 5)]
    rows += [Row(text, 0, "tongues_honest", group) for group, text in tongues.honest(random, 5)]
    rows += [Row(text, 0, "short", text) for text in benign.SHORT.split("|")]
    for _ in range(800):  # length alone must not be a sign
        some = " ".join(random.sample(questions, random.randint(3, 25)))
        rows.append(Row(some, 0, "own_long", some[:40]))
    return rows


def direct_rows(random: Random) -> list[Row]:
    """Whole requests."""
    rows = public_rows(random)
    questions = [row.text for row in rows if row.source == "benign_queries"]
    rows += own_rows(random, questions)
    mine = ("own_attacks", "grammar", "tongues")
    for row in sample([r for r in rows if r.source in mine and len(r.text) < 200], 400, random):
        rows.append(row._replace(text=f"{random.choice(questions)} {row.text}", source="mixed"))
    return limited(rows + other_rows(random), random) + written_rows() + pasted_rows()


def window_rows(random: Random, direct: list[Row]) -> list[Row]:
    """Windows of documents, with and without an instruction in them."""
    mails = [row for row in read("injection/bipia_train.jsonl") if row["task"] == "email"]
    passages = [row["text"] for row in mails if not row["label"]]
    outputs = read("routing/zeroeval_outputs/gpt-4o-2024-08-06.jsonl.gz")
    passages += [text for row in sample(outputs, 500, random) if (text := next(words(row), ""))]
    passages += [text for row in sample(read("grounding/begin_dev_wow.jsonl.gz"), 400, random) for text in words(row)]
    for path, count in (
        ("grounding/begin_dev_tc.jsonl.gz", 300),
        ("grounding/begin_dev_cmu.jsonl.gz", 300),
        ("grounding/fool_me_twice_dev.jsonl.gz", 400),
    ):
        passages += [" ".join(words(row)) for row in sample(read(path), count, random)]
    passages += [row["prompt"] for row in sample(read("routing/routellm_mmlu.jsonl.gz"), 500, random)]
    passages += list(phrases.technical(random, 600))
    passages += list(benign.documents(random, 1500))
    rows = [Row(part, 0, "own_windows", text[:60]) for text in passages for part in cut(text[:CUT])]
    clean = [row.text for row in rows]
    rows += [
        Row(text, 0, "bipia_clean", mail["id"]) for mail in mails if not mail["label"] for text in cut(mail["text"])
    ]
    for attack, category in sorted({(mail["attack"], mail["category"]) for mail in mails if mail["label"]}):
        for copy in range(8):
            host = random.choice(clean)
            text = attack if copy < 2 else f"{attack} {host}" if copy < 5 else f"{host} {attack}"
            rows.append(Row(text, 1, "bipia_attack", category))
    rows += buried(random, direct, clean) + structured(random)
    rows += [row for row in direct if row.source in ("surge", "tongues_honest", "own_honest")]
    rows += [row for row in direct if row.source == "cyberseceval_indirect"]
    return limited(rows, random) + document_rows()


def structured(random: Random) -> list[Row]:
    """Windows of talk as a tool returns it, in JSON with various keys, and of exercises with code."""
    talk = [t for path in ("tc", "cmu") for row in read(f"grounding/begin_dev_{path}.jsonl.gz") for t in words(row)]
    talk = sorted(set(talk))
    rows = []
    for number in range(500):
        who = random.choice(("speaker", "user", "role", "from", "author", "name"))
        what = random.choice(("content", "text", "message", "body", "said", "utterance"))
        people = ("Project Manager", "Marketing", "User Interface", "assistant", "user", "Anna", "PhD A")
        names = random.sample(people, 3)
        turns = [{who: random.choice(names), what: random.choice(talk)} for _ in range(random.randint(2, 6))]
        text = json.dumps({random.choice(("items", "meeting", "messages", "results")): turns})
        rows += [Row(part, 0, "transcripts", f"transcript {number}") for part in cut(text[:CUT])]
    for row in sample(read("routing/zeroeval_prompts.jsonl.gz"), 500, random):
        rows += [Row(part, 0, "exercises", row["prompt"][:60]) for part in cut(row["prompt"][:CUT])]
    return rows


def buried(random: Random, direct: list[Row], clean: list[str]) -> list[Row]:
    """Short attacks alone and beside honest sentences."""
    kinds = ("own_attacks", "deepset", "grammar", "tongues")
    rows = []
    for row in sample(
        [row for row in direct if row.source in kinds and row.label and len(row.text) < 400], 2500, random
    ):
        host = random.choice(clean)
        text = random.choice((f"{row.text} {host}", f"{host} {row.text}"))
        rows.append(Row(text, 1, row.source, row.group))
    for row in direct:
        if row.source in kinds and row.group.startswith(("indirect:", "buried:")):
            rows += [row, Row(f"{random.choice(clean)} {row.text}", 1, row.source, row.group)]
    return rows


def words(row: dict[str, Any]) -> Iterator[str]:
    """The longer texts of a row, whatever they are called."""
    for value in row.values():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and len(text) > 60:
                yield text


def spans(text: str) -> list[tuple[int, int]]:
    """Where its windows stand, as the guard makes them."""
    bounds = model.sentences(text)
    return [
        (bounds[i][0], bounds[min(i + width, len(bounds)) - 1][1])
        for width in sorted({1, min(model.WINDOW, len(bounds))})
        for i in range(len(bounds) - width + 1)
    ]


def cut(text: str) -> list[str]:
    """Its windows."""
    return [text[start:end] for start, end in spans(text)]

"""A run that is killed at any step, and goes on, ends as one that never was; and nothing is paid for twice."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.evals.session import run_prepared
from tests.evals.scripted import SUITE, Dead, Machine, Provider, around, posed, prepared
from tests.evals.scripted import settings as made_settings

JUDGED = SUITE.replace(
    "targets: {up:", 'targets: {judge: {kind: url, base_url: "http://127.0.0.1:9/v1", model: j}, up:'
).replace("kind: equals", "kind: llm-rubric, value: good")
VARIANTS = "variants: {long: {target: up, prompt: long}, short: {target: up, prompt: short}}\n"


class World:
    """A provider that outlives processes, and a disk. `killed` counts processes that died in the one open window."""

    def __init__(self, folder: Path, items: int, concurrency: int, *, judge: bool, cache: bool) -> None:
        self.folder, self.concurrency, self.judge, self.cache = folder, concurrency, judge, cache
        self.items = posed(items, lambda at: f"what is {at // 2}?")  # some ask for the very same
        self.provider = Provider()

    def process(self, machine: Machine) -> bool:
        """One process; whether it came to its end."""
        self.provider.machine = machine
        text = (JUDGED if self.judge else SUITE) + VARIANTS
        made = prepared(self.folder, self.provider, self.items, text)
        wanted = made_settings(self.folder, self.concurrency, cache=self.cache)
        try:
            asyncio.run(run_prepared(made, wanted, around(machine, "judge" if self.judge else "")))
        except Dead:
            return False
        return True

    @property
    def results(self) -> bytes:
        return (self.folder / "out" / "results.jsonl").read_bytes()


def check(items: int, concurrency: int, kills: list[tuple[int, float]], *, judge: bool, cache: bool) -> None:
    """Against a run that is not killed."""
    with TemporaryDirectory() as one, TemporaryDirectory() as other:
        calm = World(Path(one), items, concurrency, judge=judge, cache=cache)
        assert calm.process(Machine())
        world = World(Path(other), items, concurrency, judge=judge, cache=cache)
        lost, ended = 0, False
        for dies_at, torn in kills:
            before = sum(world.provider.charged.values())
            kept = _kept(world.folder)
            if ended := world.process(Machine(dies_at, torn)):
                break
            # What was delivered and is not on the disk: killed between the reply and the end of its write.
            lost += sum(world.provider.charged.values()) - before - (_kept(world.folder) - kept)
        assert ended or world.process(Machine())
        assert world.results == calm.results
        assert sum(world.provider.charged.values()) == sum(calm.provider.charged.values()) + lost
        assert lost <= len(kills)


def _kept(folder: Path) -> int:
    """Whole answers on the disk."""
    files = [*folder.glob("kept/*.jsonl"), *folder.glob("out/.answers/*.jsonl")]
    return sum(line.startswith(b'{"key"') and line.endswith(b"}\n") for file in files for line in file.open("rb"))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 4),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(0, 120), st.sampled_from([0.0, 0.5, 1.0])), max_size=4),
    st.booleans(),
    st.booleans(),
)
def test_killed_at_any_steps_it_ends_alike_and_pays_once(
    items: int, concurrency: int, kills: list[tuple[int, float]], judge: bool, cache: bool
) -> None:
    check(items, concurrency, kills, judge=judge, cache=cache)


@pytest.mark.parametrize("torn", [0.0, 0.5, 1.0])
def test_killed_at_every_step_in_turn(torn: float) -> None:
    with TemporaryDirectory() as folder:
        machine = Machine()
        assert World(Path(folder), 2, 2, judge=True, cache=True).process(machine)
    assert machine.steps > 40
    for at in range(machine.steps):
        check(2, 2, [(at, torn)], judge=True, cache=True)


def test_killed_between_the_results_file_and_the_end_of_the_journal(tmp_path: Path) -> None:
    world = World(tmp_path, 3, 2, judge=False, cache=True)
    assert not world.process(Machine(30))
    journal = tmp_path / "out" / "journal.jsonl"
    assert world.process(Machine())
    results, charged = world.results, sum(world.provider.charged.values())
    journal.write_bytes(results)
    assert world.process(Machine())
    assert (world.results, sum(world.provider.charged.values())) == (results, charged)
    assert not journal.exists()


def test_the_machine_can_lose_an_answer_only_before_it_is_written(tmp_path: Path) -> None:
    """The property above could not fail if the window were counted too generously."""
    world = World(tmp_path, 1, 1, judge=False, cache=True)
    steps = Machine()
    assert World(tmp_path / "calm", 1, 1, judge=False, cache=True).process(steps)
    lost = []
    for at in range(steps.steps):
        provider = World(tmp_path / str(at), 1, 1, judge=False, cache=True)
        provider.process(Machine(at))
        if sum(provider.provider.charged.values()) - _kept(provider.folder) > 0:
            lost.append(at)
    assert len(lost) == 2  # of each of the two answers, the step of its own write
    assert world.provider.calls == []

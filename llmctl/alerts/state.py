"""What the evaluator keeps in a file, so that a restart forgets nothing: JSON lines, replaced as a whole.

The first line is the state, each further one a history. Encoding goes line by line, so that no single step is long.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from llmctl.alerts.engine import Kept, State

NAME = "state.jsonl"
_VERSION = b'{"llmctl_alerts":1}\n'
_encoder = msgspec.json.Encoder()
_states = msgspec.json.Decoder(State)
_kept = msgspec.json.Decoder(Kept)


class Damaged(Exception):
    """The file is there and is not what `save` writes; the message names it and says what happens."""


def save(folder: Path, state: State, kept: Iterable[Kept], pause: Callable[[], None] = lambda: None) -> None:
    """Raises OSError. Whoever reads meanwhile finds what was there before."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = folder / f"{NAME}.part"
    with part.open("wb") as file:
        file.write(_VERSION)
        file.write(_encoder.encode(state) + b"\n")
        for one in kept:
            file.write(_encoder.encode(one) + b"\n")
            pause()
        file.flush()
        os.fsync(file.fileno())
    part.replace(folder / NAME)


def load(folder: Path, *, histories: bool = True) -> tuple[State, list[Kept]]:
    """What was saved; empty where nothing was. `histories=False` reads the state alone. Raises Damaged."""
    path = folder / NAME
    try:
        with path.open("rb") as file:
            if file.readline() != _VERSION:
                raise ValueError("written by another version")
            state = _states.decode(file.readline())
            return state, [_kept.decode(line) for line in file] if histories else []
    except FileNotFoundError:
        return State(), []
    except (OSError, ValueError, RecursionError) as error:  # msgspec's errors are ValueErrors
        raise Damaged(f"{path}: {error}; alerts start without what was counted and open before") from None

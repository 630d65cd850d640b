"""A text model from a local folder, by ONNX Runtime: loading `model.onnx` and `tokenizer.json`, and what they share."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

INPUTS = frozenset({"input_ids", "attention_mask", "token_type_ids"})


class Purpose(NamedTuple):
    """Words for messages: who needs it, what to export and to save, and what a tokenizer's file must be."""

    who: str
    model: str
    tokenizer: str
    fits: str = "a fast tokenizer's file"


def package(name: str, purpose: Purpose) -> Any:
    """The module. Raises ValueError where the extra `onnx` is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(f"{purpose.who} needs {name} ({error}): run `pip install 'llmctl[onnx]'`") from None


def tokenizer(folder: Path, purpose: Purpose, max_tokens: int, stride: int = 0) -> Any:
    """Cuts texts into windows of `max_tokens`, of which neighbours share `stride`. Raises ValueError."""
    path = folder / "tokenizer.json"
    if not path.is_file():
        raise ValueError(f"{path} is missing; save {purpose.tokenizer} there")
    tokenizers = package("tokenizers", purpose)
    try:
        made = tokenizers.Tokenizer.from_file(str(path))
        made.no_padding()
        made.enable_truncation(max_tokens, stride=stride)
    except Exception as error:  # the Rust side raises plain Exception
        raise ValueError(f"{path}: {error}; it must be {purpose.fits}") from None
    return made


def session(path: Path, purpose: Purpose) -> Any:
    """The model, on the CPU and the calling thread alone. Raises ValueError."""
    if not path.is_file():
        raise ValueError(f"{path} is missing; export {purpose.model} to ONNX under that name")
    runtime = package("onnxruntime", purpose)
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ValueError(f"{path}: ONNX Runtime cannot load it: {error}") from None


def inputs(model: Any, folder: Path, refusal: str) -> frozenset[str]:
    """The names of what the model takes. Raises ValueError where it is no text; they fill the {} of `refusal`."""
    names = frozenset(item.name for item in model.get_inputs())
    if "input_ids" not in names or not names <= INPUTS:
        raise ValueError(f"{folder}: {refusal.format(', '.join(sorted(names)))}")
    return names


def feed(names: frozenset[str], pieces: Sequence[Any]) -> dict[str, Any]:
    """What a session takes for encodings: int64 of shape (pieces, longest), zeros behind the shorter ones."""
    import numpy as np

    columns = {
        "input_ids": [piece.ids for piece in pieces],
        "attention_mask": [piece.attention_mask for piece in pieces],
        "token_type_ids": [piece.type_ids for piece in pieces],
    }
    longest = max(map(len, columns["input_ids"]))
    found = {}
    for name in names:
        found[name] = np.zeros((len(pieces), longest), np.int64)
        for row, values in zip(found[name], columns[name], strict=True):
            row[: len(values)] = values
    return found

"""A sentence-transformers model from a local folder, by ONNX Runtime: `model.onnx` and `tokenizer.json`.

Tokens' vectors are pooled as in Reimers and Gurevych 2019 (arXiv 1908.10084). What such a folder may hold beside is
read where it is there: `1_Pooling/config.json`, `sentence_bert_config.json`, `config.json`. Layers behind the pooling
(`2_Dense`) are not applied, unless the model was exported with them and gives one vector a text.
"""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from llmctl.clock import Clock
from llmctl.embedding.base import EmbedderOptions, Vector, digest, sendable, unit
from llmctl.embedding.batched import BatchedOptions
from llmctl.embedding.microbatch import Microbatch
from llmctl.embedding.onnx_session import INPUTS, Purpose, feed, inputs, session, tokenizer
from llmctl.errors import LlmctlError, UpstreamError
from llmctl.net.transport import Transport

PURPOSE = Purpose(
    "embedder onnx", "the embedding model", "the model's fast tokenizer", "a fast tokenizer's file that fits max_tokens"
)
USUAL_TOKENS = 512
FILES = ("model.onnx", "onnx/model.onnx")  # the second is where models on Hugging Face have it

Pooling = Literal["mean", "cls"]
M = TypeVar("M", bound=msgspec.Struct)


class OnnxOptions(BatchedOptions):
    """Options of `onnx`. It needs the extra `llmctl[onnx]`."""

    path: str = Field(min_length=1, description="Folder with model.onnx (or onnx/model.onnx) and tokenizer.json.")
    pooling: Pooling | None = Field(
        None, description="From tokens to a text: their mean, or the first. Default: what 1_Pooling says, else mean."
    )
    max_tokens: int | None = Field(
        None, ge=4, le=131_072, description="Of a longer text the beginning counts. Default: the model's, to 512."
    )
    threads: int = Field(1, ge=1, le=16, description="Batches computed at once, each on one core.")


class _Pooling(msgspec.Struct):
    """What we read of 1_Pooling/config.json."""

    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = True


class _Sentence(msgspec.Struct):
    """What we read of sentence_bert_config.json."""

    max_seq_length: int | None = None


class _Config(msgspec.Struct):
    """What we read of Hugging Face's config.json."""

    max_position_embeddings: int | None = None
    model_type: str = ""


class Onnx:
    """A sentence-transformers model from a local folder, on the CPU, in threads of its own."""

    Options: ClassVar[type[EmbedderOptions]] = OnnxOptions

    def __init__(self, options: OnnxOptions, transport: Transport, clock: Clock) -> None:
        """Loads and tries the model. Raises ValueError on a folder, file or package that is missing or does not fit."""
        self._options = options
        folder = Path(options.path)
        if not folder.is_dir():
            raise ValueError(f"path: {folder} is no folder; name the one that holds model.onnx")
        path = next((folder / name for name in FILES if (folder / name).is_file()), folder / FILES[0])
        most = _max_tokens(folder, options)
        self._tokenizer = tokenizer(folder, PURPOSE, most)
        self._session = session(path, PURPOSE)
        self._inputs = inputs(
            self._session, folder, f"the model takes {{}}; a text embedder takes {', '.join(sorted(INPUTS))}"
        )
        self._pooling = options.pooling or _pooling(folder)
        try:
            self.size = len(self._embed(["A text to try it with."])[0])
        except Exception as error:
            raise ValueError(f"{folder}: the model fails on a short text ({type(error).__name__}: {error})") from None
        files = [_hash(one) for one in (path, path.with_name("model.onnx_data"), folder / "tokenizer.json")]
        self.identity = digest(["onnx", *files, self._pooling, str(most), options.prefix])
        self._threads = ThreadPoolExecutor(options.threads, thread_name_prefix="embedder-onnx")
        self._batches = Microbatch(
            "onnx", self._vectors, window=options.window, size=options.batch, calls=options.threads
        )

    def now(self, text: str) -> None:
        """It must be awaited."""
        return

    async def vector(self, text: str) -> Vector:
        """The vector. Raises UpstreamError where the model fails, Unavailable where too many texts wait."""
        if not text.strip():
            return np.zeros(self.size, np.float32)
        return await self._batches.vector(sendable(self._options.prefix + text))

    async def start(self) -> None:
        """Nothing: it was loaded when it was made."""

    async def close(self) -> None:
        """Give back the threads; a batch that is being computed ends by itself."""
        await self._batches.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _vectors(self, texts: Sequence[str]) -> list[Vector]:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._threads, self._embed, texts)
        except LlmctlError:
            raise
        except Exception as error:
            raise UpstreamError(f"embedder onnx: {self._options.path} failed with {type(error).__name__}") from error

    def _embed(self, texts: Sequence[str]) -> list[Vector]:
        """One run of the model. A text without a token of its own gives zeros."""
        pieces = [self._tokenizer.encode(text) for text in texts]  # encode_batch would start threads of its own
        given = feed(self._inputs, pieces)
        outputs = {item.name: value for item, value in zip(
            self._session.get_outputs(), self._session.run(None, given), strict=True
        )}  # fmt: skip
        found = self._pooled(outputs, pieces)
        if not np.isfinite(found).all():
            raise UpstreamError(f"embedder onnx: the vectors of {self._options.path} are not finite numbers")
        empty = [0 not in piece.special_tokens_mask for piece in pieces]
        found[empty] = 0
        return [unit(row) for row in found]

    def _pooled(self, outputs: dict[str, Any], pieces: Sequence[Any]) -> NDArray[np.float64]:
        """Shape (texts, size)."""
        name = next((one for one in ("sentence_embedding", "last_hidden_state") if one in outputs), next(iter(outputs)))
        hidden = np.asarray(outputs[name], np.float64)
        longest = max(len(piece.ids) for piece in pieces)
        if hidden.ndim == 2 and hidden.shape[0] == len(pieces):
            return hidden
        if hidden.ndim != 3 or hidden.shape[:2] != (len(pieces), longest):
            raise UpstreamError(
                f"embedder onnx: output {name} of {self._options.path} has shape {hidden.shape}; "
                f"({len(pieces)}, {longest}, size) is due"
            )
        if self._pooling == "cls":
            return np.array(hidden[:, 0])
        mask = feed(frozenset({"attention_mask"}), pieces)["attention_mask"].astype(np.float64)
        mean: NDArray[np.float64] = np.einsum("tk,tks->ts", mask, hidden) / np.maximum(mask.sum(1), 1)[:, None]
        return mean


def _max_tokens(folder: Path, options: OnnxOptions) -> int:
    config = _read(folder / "config.json", _Config)
    # RoBERTa and its kin count positions from 2.
    most = (config.max_position_embeddings or 0) - (2 if "roberta" in config.model_type else 0)
    usual = _read(folder / "sentence_bert_config.json", _Sentence).max_seq_length or USUAL_TOKENS
    size = options.max_tokens or (min(most, usual) if most > 0 else usual)
    if 0 < most < size:
        raise ValueError(f"max_tokens: the model takes {most} tokens at most (config.json), not {size}")
    return size


def _pooling(folder: Path) -> Pooling:
    path = folder / "1_Pooling" / "config.json"
    found = _read(path, _Pooling)
    if found.pooling_mode_cls_token:
        return "cls"
    if not found.pooling_mode_mean_tokens:
        raise ValueError(f"{path} asks for neither mean nor cls; set pooling to what comes nearest")
    return "mean"


def _read(path: Path, model: type[M]) -> M:
    """A file's content, or the defaults where there is none."""
    if not path.is_file():
        return model()
    try:
        return msgspec.json.decode(path.read_bytes(), type=model)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; it must be as the model's maker wrote it") from None


def _hash(path: Path) -> str:
    """The digest of a file; empty where there is none."""
    if not path.is_file():
        return ""
    whole = sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            whole.update(part)
    return whole.hexdigest()

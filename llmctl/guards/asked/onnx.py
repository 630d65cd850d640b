"""A text classifier from a local folder, by ONNX Runtime: `model.onnx`, `tokenizer.json`, perhaps `config.json`."""

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import Field, model_validator

from llmctl.embedding.base import sendable
from llmctl.embedding.onnx_session import INPUTS, Purpose, feed, inputs, session, tokenizer
from llmctl.errors import InvalidRequest, LlmctlError, UpstreamError
from llmctl.guards.asked.threads import Workers
from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Preset, Verdict
from llmctl.net.transport import Transport

THRESHOLDS: dict[Preset, float] = {"strict": 0.3, "balanced": 0.5, "lenient": 0.7}
USUAL_TOKENS = 512
PURPOSE = Purpose(
    "guard onnx", "the classifier", "the model's fast tokenizer", "a fast tokenizer's file that fits max_tokens"
)

Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scores = NDArray[np.float64]


class OnnxOptions(GuardOptions):
    """Options of `onnx`. The preset sets the threshold."""

    path: str = Field(min_length=1, description="Folder with model.onnx, tokenizer.json and perhaps config.json.")
    bad: tuple[str, ...] = Field(min_length=1, description="Labels that count, as config.json's id2label names them.")
    labels: tuple[str, ...] | None = Field(None, description="The labels in order, where config.json has no id2label.")
    threshold: Share | None = Field(None, description="Probability from which a label counts. Default: by preset.")
    activation: Literal["softmax", "sigmoid"] | None = Field(
        None, description="From logits to probabilities. Default: sigmoid for multi-label models and for one output."
    )
    max_tokens: int | None = Field(
        None,
        ge=8,
        le=131_072,
        description="Longer texts go in windows of so many tokens. Default: the model's, to 512.",
    )
    overlap: int = Field(64, ge=0, description="Tokens that neighbouring windows share.")
    max_windows: int = Field(64, ge=1, le=10_000, description="A text that takes more windows is an error.")
    action: Literal["warn", "block"] = Field("block", description="What a bad label is worth.")
    threads: int = Field(1, ge=1, le=16, description="Texts judged at once, each on one core.")

    @model_validator(mode="after")
    def _fits(self) -> "OnnxOptions":
        if self.max_tokens is not None and self.overlap * 2 > self.max_tokens:
            raise ValueError("overlap is more than half of max_tokens; lower it")
        return self


class _Config(msgspec.Struct):
    """What we read of Hugging Face's config.json."""

    id2label: dict[str, str] | None = None
    max_position_embeddings: int | None = None
    problem_type: str | None = None
    model_type: str = ""


class Onnx:
    """The highest probability of a bad label in any window. The model runs on the CPU, in threads of its own."""

    Options: ClassVar[type[GuardOptions]] = OnnxOptions
    directions: ClassVar[frozenset[Direction]] = frozenset({"input", "output"})

    def __init__(self, options: OnnxOptions, transport: Transport) -> None:
        """Loads and tries the model. Raises ValueError on a folder, label or package that is missing."""
        self._options = options
        folder = Path(options.path)
        config = _config(folder)
        self._tokenizer = _tokenizer(folder, options, config)
        self._session = session(folder / "model.onnx", PURPOSE)
        due = f"the model takes {{}}; a text classifier takes {', '.join(sorted(INPUTS))}"
        self._inputs = inputs(self._session, folder, due)
        self._workers = Workers("onnx", options.threads)
        self._least = THRESHOLDS[options.preset] if options.threshold is None else options.threshold
        try:
            width = self._logits(self._tokenizer.encode("A text to try it with.")).shape[0]
        except Exception as error:
            raise ValueError(f"{folder}: the model fails on a short text ({type(error).__name__}: {error})") from None
        self._labels = _labels(folder, options, config, width)
        multi = config.problem_type == "multi_label_classification" or width == 1
        self._activation = options.activation or ("sigmoid" if multi else "softmax")
        self._bad = [self._labels.index(label) for label in options.bad]

    async def judge(self, text: str, about: About) -> Verdict:
        """The worst window's verdict."""
        if not text.strip():
            return ALLOW
        try:
            scores = await self._workers.run(lambda: self._scores(sendable(text)))
        except LlmctlError:
            raise
        except Exception as error:
            raise UpstreamError(f"guard onnx: {self._options.path} failed with {type(error).__name__}") from error
        worst = max(self._bad, key=lambda index: scores[index])
        score = float(scores[worst])
        if score < self._least:
            return Verdict("allow", score)
        named = [self._labels[index] for index in self._bad if scores[index] >= self._least]
        return Verdict(self._options.action, score, f"onnx: {', '.join(named)[:500]}", self._labels[worst])

    def close(self) -> None:
        """Give back the threads."""
        self._workers.close()

    def _scores(self, text: str) -> "Scores":
        """Of each label, the highest probability in any window."""
        import numpy as np

        whole = self._tokenizer.encode(text)
        pieces = [whole, *whole.overflowing]
        if len(pieces) > self._options.max_windows:
            raise InvalidRequest(
                f"a text of this length takes guard onnx {len(pieces):,} windows, "
                f"{self._options.max_windows:,} at most; send less, or raise its max_windows"
            )
        found: Scores = np.max([self._probabilities(self._logits(piece)) for piece in pieces], axis=0)
        return found

    def _logits(self, piece: Any) -> "Scores":
        import numpy as np

        logits: Scores = np.asarray(self._session.run(None, feed(self._inputs, [piece]))[0], dtype=np.float64)
        if logits.ndim != 2 or logits.shape[0] != 1:
            raise UpstreamError(
                f"guard onnx: the model's first output has shape {logits.shape}; one row of logits is due"
            )
        if not np.isfinite(logits).all():
            raise UpstreamError("guard onnx: the model's logits are not finite numbers")
        row: Scores = logits[0]
        return row

    def _probabilities(self, logits: "Scores") -> "Scores":
        import numpy as np

        if self._activation == "sigmoid":
            sigmoid: Scores = 1 / (1 + np.exp(-np.clip(logits, -50, 50)))
            return sigmoid
        powers = np.exp(logits - logits.max())
        softmax: Scores = powers / math.fsum(powers)
        return softmax


def _config(folder: Path) -> _Config:
    if not folder.is_dir():
        raise ValueError(f"path: {folder} is no folder; name the one that holds model.onnx")
    path = folder / "config.json"
    if not path.is_file():
        return _Config()
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Config)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}; it must be the model's Hugging Face configuration") from None


def _tokenizer(folder: Path, options: OnnxOptions, config: _Config) -> Any:
    # RoBERTa and its kin count positions from 2.
    most = (config.max_position_embeddings or 0) - (2 if "roberta" in config.model_type else 0)
    size = options.max_tokens or (min(most, USUAL_TOKENS) if most > 0 else USUAL_TOKENS)
    if 0 < most < size:
        raise ValueError(f"max_tokens: the model takes {most} tokens at most (config.json), not {size}")
    return tokenizer(folder, PURPOSE, size, min(options.overlap, size // 2 - 2))


def _labels(folder: Path, options: OnnxOptions, config: _Config, width: int) -> list[str]:
    if options.labels is not None:
        labels = list(options.labels)
    elif config.id2label:
        try:
            labels = [config.id2label[str(index)] for index in range(len(config.id2label))]
        except KeyError as missing:
            raise ValueError(f"{folder}: config.json's id2label lacks {missing}; set labels") from None
    else:
        labels = [f"LABEL_{index}" for index in range(width)]
    if len(labels) != width:
        raise ValueError(f"{folder}: the model has {width} outputs and {len(labels)} labels are named; set labels")
    if unknown := [label for label in options.bad if label not in labels]:
        raise ValueError(f"bad: the model has no label {', '.join(unknown)}; it has {', '.join(labels)}")
    return labels

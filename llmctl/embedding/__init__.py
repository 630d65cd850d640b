"""Texts as vectors: what routing compares and what the semantic cache looks up; `TABLE` lists the embedders."""

from typing import Any

from llmctl.embedding.builtin import Static
from llmctl.embedding.endpoint import Endpoint
from llmctl.embedding.onnx import Onnx
from llmctl.embedding.static import DIMENSIONS, StaticEmbedder

# `kind` in the configuration → class taking its decoded Options, a Transport and a Clock. Typed by the contract test.
TABLE: dict[str, type[Any]] = {
    "static": Static,
    "onnx": Onnx,
    "endpoint": Endpoint,
}

__all__ = ["DIMENSIONS", "TABLE", "StaticEmbedder"]

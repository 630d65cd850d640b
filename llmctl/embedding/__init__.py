"""Texts as vectors, without a network: what routing compares and what the semantic cache looks up."""

from llmctl.embedding.static import DIMENSIONS, StaticEmbedder

__all__ = ["DIMENSIONS", "StaticEmbedder"]

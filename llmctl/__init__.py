"""llmctl: the ops toolkit for LLMs in production."""

__version__ = "0.1.0"

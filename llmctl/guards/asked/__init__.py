"""Guards that ask somebody else: slow, and they may fail. One file per adapter; `ADAPTERS` lists them."""

from typing import Any

from llmctl.guards.asked.custom import Custom
from llmctl.guards.asked.judge import Judge
from llmctl.guards.asked.moderation import Moderation
from llmctl.guards.asked.onnx import Onnx
from llmctl.guards.asked.presidio import Presidio

# `kind` in the configuration → class taking its decoded Options and a Transport. Typed by the contract test.
ADAPTERS: dict[str, type[Any]] = {
    "judge": Judge,
    "moderation": Moderation,
    "presidio": Presidio,
    "onnx": Onnx,
    "custom": Custom,
}

"""A suite's items, from wherever its dataset says they are."""

from pydantic import ValidationError

from llmctl.config.explain import explain
from llmctl.config.finding import KeyPath, ordered
from llmctl.errors import ConfigError
from llmctl.evals.datasets.base import dataset, open_dataset
from llmctl.evals.load import Suite, strict
from llmctl.evals.slots import Posed

AT: KeyPath = ("dataset",)


def read_items(suite: Suite) -> list[Posed]:
    """All of them, in their order. Raises ConfigError and UsageError, with the file and line of what is wrong."""
    given = suite.config.dataset
    try:
        kind = dataset(given.kind)
    except ValueError as error:
        raise ConfigError([suite.finding((*AT, "kind"), str(error))]) from None
    try:
        options = strict(kind.Options, given.options)
    except ValidationError as error:
        raise ConfigError(ordered(explain(error, suite.resolved.marks, AT, kind.Options))) from None

    def at(path: KeyPath) -> str:
        return suite.finding((*AT, *path), "")

    return [
        Posed(number, one.sample, one.messages, one.tools, one.assertions)
        for number, one in enumerate(open_dataset(kind, options, suite.folder, at))
    ]

"""A plain tree as YAML that reads back as the same tree."""

from typing import Any, ClassVar

import yaml

from llmctl.config.yaml import typed


def to_yaml(tree: Any) -> str:
    """Block style, keys in their order."""
    text: str = yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # PyYAML is at YAML 1.1 and leaves unquoted what version 1.2 reads as a number.
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if isinstance(typed(text), str) else "'")


class _Dumper(yaml.SafeDumper):
    yaml_representers: ClassVar[dict[Any, Any]] = {**yaml.SafeDumper.yaml_representers, str: _text}

    def ignore_aliases(self, data: Any) -> bool:
        return True

"""YAML documents for people and for Prometheus: keys in the order given, long expressions as blocks."""

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        """What stands in two places is written twice."""
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def document(value: Any, header: str) -> str:
    """`value` as YAML below `header`, whose lines become comments."""
    comments = "".join(f"# {line}\n" for line in header.splitlines())
    return comments + yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10_000)

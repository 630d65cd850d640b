"""Makes the stage that compresses prompts, from the configuration's `compress` sections."""

import json
from typing import TYPE_CHECKING, Any

from llmctl.config.load import Loaded, decode
from llmctl.config.section import Extension
from llmctl.errors import ConfigError
from llmctl.gateway.kept import Kept
from llmctl.gateway.pipeline import Stage

if TYPE_CHECKING:
    from llmctl.compress.payload import Shortener
    from llmctl.gateway.build import Surroundings
    from llmctl.gateway.stages.compress import Plan

Path = tuple[str, ...]


def compressing(loaded: Loaded, around: "Surroundings", trouble: list[str]) -> Stage | None:
    """The stage, with everything it needs loaded; None where nothing is to be compressed.

    What is wrong is added to `trouble`, as complete lines.
    """
    config = loaded.config
    sections: dict[str, tuple[Extension, Path]] = {}
    for name in (*config.models, *config.routes):
        own = config.routes[name].compress if name in config.routes else None
        if isinstance(own, Extension):
            sections[name] = (own, ("routes", name, "compress"))
        elif own is None and config.compress is not None:
            sections[name] = (config.compress, ("compress",))
    made: dict[Path, Plan | None] = {}
    for entry, path in sections.values():
        if path not in made:
            made[path] = _plan(entry, path, loaded, around.kept, trouble)
    plans = {name: plan for name, (_, path) in sections.items() if (plan := made[path]) is not None}
    if not plans:
        return None
    from llmctl.gateway.stages.compress import Compress

    kinds = {name: config.providers[model.provider].kind for name, model in config.models.items()}
    return Compress(plans, kinds, around.clock.monotonic, around.bug, around.warn)


def _plan(entry: Extension, path: Path, loaded: Loaded, kept: Kept, trouble: list[str]) -> "Plan | None":
    # A gateway without compression imports none of it.
    from llmctl.compress.options import TABLE
    from llmctl.gateway.stages.compress import Plan

    if entry.kind not in TABLE:
        trouble.append(loaded.finding((*path, "kind"), f"no kind {entry.kind!r}; there are {', '.join(sorted(TABLE))}"))
        return None
    raw = {"kind": entry.kind, **entry.options}
    try:
        options = decode(TABLE[entry.kind], raw, loaded, path)
        # What is loaded runs on over a reload.
        key = ("compress", json.dumps(raw, sort_keys=True))
        shorten = kept.of(key, lambda: _shortener(options)) if entry.kind != "minify" else None
    except ConfigError as error:
        trouble.extend(error.findings)
    except (ValueError, OSError) as error:
        trouble.append(loaded.finding(path, str(error)))
    else:
        return Plan(options, shorten, slow=entry.kind == "llmlingua")
    return None


def _shortener(options: Any) -> "Shortener":
    """What shortens by these options, loaded. Raises ValueError or OSError where a model cannot be."""
    from llmctl.compress.options import LinguaOptions
    from llmctl.compress.payload import Extraction

    if isinstance(options, LinguaOptions):
        from llmctl.compress.llmlingua import Lingua

        return Lingua(options)
    extraction = Extraction(options)
    extraction.load()
    return extraction

"""Finding and making a class that the operator names."""

import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from llmctl.config.secrets import MASK, mask_text, secret_values


def imported(spec: str) -> Any:
    """What `package.module:Name` names. Raises ValueError."""
    module, _, name = spec.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"class {spec}: {error}; install it where llmctl runs, or put it on PYTHONPATH") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # modules have been seen to exit
        raise ValueError(f"class {spec}: importing {module} fails with {type(error).__name__}: {error}") from error
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except AttributeError:
        raise ValueError(f"class {spec}: {module} has no {name}; write package.module:Name") from None
    return found


def made(spec: str, target: Any, options: Mapping[str, Any]) -> Any:
    """An instance of a class or what a function returns; anything else is taken as it is.

    A class with a pydantic model `Options` gets one of these, all else gets the options as keywords. Raises ValueError
    that names no value of an option that is secret by its name.
    """
    if not (inspect.isclass(target) or inspect.isroutine(target)):
        if options:
            raise ValueError(
                f"class {spec}: it is an object already, so it takes no options; name its class or a function"
            )
        return target
    model = getattr(target, "Options", None)
    make: Any = target  # what it takes is its own affair
    if inspect.isclass(model) and issubclass(model, BaseModel):
        return attempted(spec, lambda: make(model(**options)), options)
    return attempted(spec, lambda: make(**options), options)


def attempted(spec: str, make: Callable[[], Any], options: Mapping[str, Any]) -> Any:
    """What `make` returns; whatever it raises is a ValueError without the secrets among the options."""
    try:
        return make()
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(map(str, item['loc'])) or 'options'}: {item['msg']}"
            for item in error.errors(include_input=False, include_url=False, include_context=False)
        )
        raise ValueError(f"class {spec}: {masked(wrong, options)}") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        said = masked(str(error), options)
        raise ValueError(f"class {spec}: making it fails with {type(error).__name__}: {said}") from None


def masked(text: str, options: Mapping[str, Any]) -> str:
    """`text` without the secrets among the options."""
    for value in sorted(secret_values(dict(options)), key=len, reverse=True):
        text = text.replace(value, MASK)
    return mask_text(text)

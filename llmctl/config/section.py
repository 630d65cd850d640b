"""What every section of the configuration is made of."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from llmctl.config.units import parse_bytes, parse_seconds

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}$")]
Bytes = Annotated[int, BeforeValidator(parse_bytes), Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Seconds = Annotated[float, BeforeValidator(parse_seconds), Field(ge=0, le=86400 * 30, allow_inf_nan=False)]


class Section(BaseModel):
    """Base of every section: unknown keys are errors, and a loaded configuration does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Extension(BaseModel):
    """A `kind` and that kind's own options, which `build` decodes; config knows nothing more about them."""

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str = Field(description="Which implementation; its own options stand beside this key.")

    @property
    def options(self) -> dict[str, Any]:
        """Everything but `kind`, not yet decoded."""
        return dict(self.model_extra or {})

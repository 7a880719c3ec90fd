"""What a recipe may set of the STM ``encoder:<model>``."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class EncoderOptions(BaseModel):
    """The published settings, with early stopping.

    ``max_length`` is in tokens and capped by the model. ``held_out`` is the share of the training samples that early
    stopping watches instead of training on them, 0 for none; it stops after ``patience`` epochs without improvement.
    ``processes`` share every batch between them; without a number it is one a visible GPU.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: Annotated[int, Field(ge=1)] = 3
    lr: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 2e-5
    batch: Annotated[int, Field(ge=1)] = 16
    max_length: Annotated[int, Field(ge=8)] = 512
    held_out: Annotated[float, Field(ge=0, lt=1)] = 0.1
    patience: Annotated[int, Field(ge=1)] = 1
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    processes: Annotated[int, Field(ge=1)] | None = None

"""What can tell good samples from bad ones, by the names that a user gives."""

from typing import Literal

By = Literal["auto", "dynamics", "votes", "influence", "weight"]

"""Private Evolution (Lin et al., ICLR 2024): Aug-PE's loop with lookahead, and members drawn by their votes."""

from typing import Literal

from synthgen.methods.augpe import AugPE, AugPEOptions


class PEOptions(AugPEOptions):
    """The settings of Aug-PE with PE's defaults. PE-EM is ``mechanism: exponential`` with ``lookahead: false``."""

    select: Literal["rank", "sample"] = "sample"
    keep_parents: bool = False
    lookahead: bool = True


class PE(AugPE):
    """The method; see ``AugPE``."""

    Options = PEOptions

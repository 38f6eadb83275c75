"""What no kernel does yet."""


class Limit(ValueError):
    """A valid graph that the runtime has no kernel for, told in one line with the way out."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: there is no kernel for it; lowbit.ir.evaluate runs any graph")

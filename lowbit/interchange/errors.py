"""What a foreign format cannot say."""


class InterchangeError(ValueError):
    """The graph has no equal in the other format. The message names the node and the reason."""

"""What is raised for a file that cannot be loaded: it says which file, and what is wrong."""


class CheckpointError(ValueError):
    """A checkpoint is damaged, of a form that is not known, or not of this model."""

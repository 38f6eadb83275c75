"""What calibration data can be wrong about."""


class CalibrationError(ValueError):
    """The calibration data cannot give ranges. The message says which batch or tensor, and why."""

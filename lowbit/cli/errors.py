"""Which exceptions are answers and which are bugs.

An answer is what lowbit raised on purpose: OSError, or an error from a frame of lowbit's own. The
rest, a user's model that fails included, keeps its traceback. LOWBIT_TRACEBACK=1 keeps it always.
"""

import os

TRAINING = {"torch", "lightning", "jsonargparse", "matplotlib"}
ANSWERS = (ValueError, LookupError, ImportError, TypeError)


def expected(error: Exception) -> bool:
    if os.environ.get("LOWBIT_TRACEBACK") == "1":
        return False
    if isinstance(error, OSError) or missing_extra(error):
        return True
    return isinstance(error, ANSWERS) and raised_by(error).split(".")[0] == "lowbit"


def missing_extra(error: Exception) -> bool:
    return isinstance(error, ModuleNotFoundError) and error.name in TRAINING


def raised_by(error: Exception) -> str:
    """The module of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace.tb_frame.f_globals.get("__name__", "") if trace is not None else ""


def line(error: Exception) -> str:
    """One line: what was wrong, where, and the way out."""
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ModuleNotFoundError) and missing_extra(error) and "pip" not in text:
        return f'this command needs {error.name}: pip install "lowbit[train]"'
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return text

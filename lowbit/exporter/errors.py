"""What an export refuses, said with the operation, the module and the line of the user's code."""

import re

from torch.fx import Node

FRAME = re.compile(r'File "([^"]+)", line (\d+)')
OURS = re.compile(r"[\\/](torch|lowbit)[\\/]")


class ExportError(ValueError):
    """The model cannot become an integer graph. The message says why and what to do."""


def refuse(node: Node, why: str) -> ExportError:
    """The error for one operation of the captured model; the caller raises it."""
    module = module_path(node)
    place = f" in module {module!r}" if module else ""
    return ExportError(f"{operation(node)}{place}{source_line(node)}: {why}")


def operation(node: Node) -> str:
    """aten.softmax.int, lowbit.snap.default, ..."""
    return str(node.target)


def module_path(node: Node) -> str:
    """The dotted path of the innermost module that ran the operation; empty at the top."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack else ""


def source_line(node: Node) -> str:
    frames = FRAME.findall(node.meta.get("stack_trace") or "")
    users = [f for f in frames if not OURS.search(f[0])] or frames
    return f" ({users[-1][0]}, line {users[-1][1]})" if users else ""

"""The command line. `lowbit --help` lists the commands; none imports torch before it needs it."""

from lowbit.cli.app import app, main

__all__ = ["app", "main"]

"""`lowbit doctor`: prints what lowbit.doctor found."""

import dataclasses

import typer

from lowbit.cli.output import AsJson, print_json, print_lines
from lowbit.doctor import Finding, examine


def doctor(as_json: AsJson = False) -> None:
    """Check this machine: versions, processor, kernel cache, and packages with known holes.

    Exits with status 1 if something is bad.
    """
    findings = examine()
    bad = [f for f in findings if f.status == "bad"]
    if as_json:
        print_json({"ok": not bad, "findings": [dataclasses.asdict(f) for f in findings]})
    else:
        verdict = f"{len(bad)} to repair" if bad else "nothing to repair"
        print_lines([*map(described, findings), verdict])
    if bad:
        raise typer.Exit(1)


def described(finding: Finding) -> str:
    return f"{finding.status:6} {finding.what:17} {finding.found}  {finding.remark}".rstrip()

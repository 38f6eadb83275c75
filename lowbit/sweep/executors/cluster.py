"""Trials as Ray tasks: on many machines by the cluster's address, or on a cluster of this one.

Every machine needs lowbit[train,ray] of the driver's version, and the data. Results come back to
the driver, which alone writes the store. A task whose machine or process dies is begun anew.
"""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from lowbit.sweep.executors.attempt import Failed, Job, Outcome, Run, Watch, attempt
from lowbit.sweep.executors.processes import ONE_THREAD
from lowbit.sweep.executors.queue import Queue
from lowbit.sweep.executors.team import members, ranks

# A warning less, and two minutes for a busy machine to start its node.
DEFAULTS = {"RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "RAY_raylet_start_wait_time_s": "120"}
TOKENS = "If it wants a token, as Ray's own `ray start` may, set RAY_AUTH_MODE=token here"
GRACE = 20  # seconds until Ray knows of a death
PACKAGE = 'the ray executor needs ray: pip install "lowbit[ray]"'


def execute(
    run: Run,
    jobs: Sequence[Job],
    watch: Watch,
    workers: int = 2,
    retries: int = 3,
    address: str | None = None,
) -> None:
    """`workers` are started here when there is no `address`; at an address, a worker a CPU."""
    ray = connected(workers, address)
    try:
        how = {"max_retries": retries, "retry_exceptions": [Broken]}
        task = ray.remote(num_cpus=1, **how)(tried)
        collect(ray, task, run, Queue(jobs, watch))
    finally:
        ray.shutdown()


def connected(workers: int, address: str | None) -> ModuleType:
    try:
        import ray
    except ModuleNotFoundError:
        raise ModuleNotFoundError(PACKAGE, name="ray") from None
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)
    place = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
    variables = {"env_vars": {**ONE_THREAD, **({} if address else paths())}}
    try:
        ray.init(**place, runtime_env=variables, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        where = address or "this machine"
        hint = f". {TOKENS}" if address else ""
        said = " ".join(str(error).split())
        raise ValueError(f"no Ray cluster at {where}: {said}{hint}") from None
    return ray


def paths() -> dict[str, str]:
    """Workers on this machine import what the driver can; another has paths of its own."""
    return {name: os.environ[name] for name in ("PYTHONPATH",) if name in os.environ}


class Broken(RuntimeError):
    """A machine with a rank of the team has died: the trial is begun anew."""


def tried(run: Run, job: Job) -> Outcome:
    with spread(run, job) as (mine, others):
        outcome = attempt(run, mine, lambda share, what: None)
        if isinstance(outcome, Failed) and any(map(lost, others)):
            raise Broken(outcome.error)
    return outcome


@contextlib.contextmanager
def spread(run: Run, job: Job) -> Iterator[tuple[Job, list]]:
    """Rank 0's job, and the tasks of the other ranks, on as many machines as there are. Checkpoints
    are left out: the next attempt may be anywhere."""
    if ranks(job) == 1:
        yield job, []
        return
    import ray

    mine, *rest = members(job, ray.util.get_node_ip_address())
    task = ray.remote(num_cpus=1, max_retries=0, scheduling_strategy="SPREAD")(helped)
    others = [task.remote(run, other) for other in rest]
    try:
        with elsewhere(mine) as placed:
            yield placed, others
    finally:
        for other in others:
            ray.cancel(other, force=True)


def helped(run: Run, job: Job) -> None:
    with elsewhere(job) as placed:
        run(placed.config, placed.site, lambda share, what: None)


@contextlib.contextmanager
def elsewhere(job: Job) -> Iterator[Job]:
    with tempfile.TemporaryDirectory() as folder:
        yield replace(job, site=replace(job.site, scratch=Path(folder) / job.key))


def lost(task) -> bool:
    """Its process or machine has died; what it raised itself is the trial's own failure."""
    import ray

    try:
        ray.get(task, timeout=GRACE)
    except (ray.exceptions.WorkerCrashedError, ray.exceptions.NodeDiedError):
        return True
    except ray.exceptions.RayError:
        return False
    return False


def collect(ray, task, run: Run, queue: Queue) -> None:
    """Keeps one task a CPU under way, so that what is shown as running is; CPUs may come and go."""
    running: dict = {}
    while queue or running:
        while job := queue.take(cpus(ray) - sum(ranks(job) for job in running.values())):
            running[task.remote(run, job)] = job
            queue.watch.started(job.key, "ray")
        if not running and (job := queue.take()):
            error = f"its recipe has {ranks(job)} ranks, and the cluster {cpus(ray)} CPUs"
            queue.ended(job.key, Failed(error, error))
            continue
        done, _ = ray.wait([*running], timeout=1)
        for reference in done:
            queue.ended(running.pop(reference).key, fetched(ray, reference))


def cpus(ray) -> int:
    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def fetched(ray, reference) -> Outcome:
    try:
        return ray.get(reference)
    except ray.exceptions.RayError as error:
        text = " ".join(str(error).split())
        return Failed(f"{type(error).__name__}: {text[:300]}", str(error))

"""The search over widths: Optuna's NSGA-II for accuracy against cost, under a budget."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from lowbit.sweep.report.front import front

PACKAGE = 'the search needs optuna: pip install "lowbit[search]"'
Widths = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Point:
    widths: Widths
    accuracy: float
    cost: float

    @property
    def scheme(self) -> str:
        return f"mixed/{'.'.join(self.widths)}"


def searched(
    layers: Sequence[str],
    choices: Sequence[str],
    accuracy: Callable[[Widths], float],
    cost: Callable[[Widths], float],
    budget: float,
    trials: int,
    seed: int,
    tell: Callable[[int], None],
    first: Sequence[Widths] = (),
) -> list[Point]:
    """Every candidate that was asked for, those over the budget included. Uniform widths are
    asked first, so that mixing is never worse than not mixing, then `first`."""
    try:
        import optuna
    except ModuleNotFoundError:
        raise ModuleNotFoundError(PACKAGE, name="optuna") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    known: dict[Widths, Point] = {}

    def ask(trial: optuna.Trial) -> tuple[float, float]:
        widths = tuple(str(trial.suggest_categorical(name, list(choices))) for name in layers)
        if widths not in known:
            known[widths] = Point(widths, accuracy(widths), cost(widths))
        tell(len(trial.study.trials))
        trial.set_constraint("budget", known[widths].cost - budget)
        return known[widths].accuracy, known[widths].cost

    size = min(24, max(4, trials // 4))
    sampler = optuna.samplers.NSGAIISampler(population_size=size, seed=seed)
    study = optuna.create_study(directions=["maximize", "minimize"], sampler=sampler)
    for width in choices:
        study.enqueue_trial(dict.fromkeys(layers, width))
    for widths in first:
        study.enqueue_trial(dict(zip(layers, widths, strict=True)))
    study.optimize(ask, n_trials=trials)
    return list(known.values())


def best(points: Sequence[Point], budget: float, keep: int) -> list[Point]:
    """Of the front within the budget, the `keep` most accurate; ValueError if nothing fits."""
    within = [p for p in points if p.cost <= budget]
    if not within:
        least = min(points, key=lambda p: p.cost)
        raise ValueError(
            f"no candidate fits the budget of {budget:g}; the smallest, {least.scheme}, costs "
            f"{least.cost:g}"
        )
    return front(within, lambda p: p.cost, lambda p: p.accuracy)[-keep:]


def narrowed(
    layers: Sequence[str],
    alone: Mapping[str, Mapping[str, float]],
    cost: Callable[[Widths], float],
    budget: float,
) -> Widths:
    """What sensitivity alone would choose: from each layer's best width on, the change that loses
    least for what it saves, until the budget is met or nothing saves any more."""
    widths = tuple(max(alone[name], key=alone[name].__getitem__) for name in layers)
    while cost(widths) > budget:
        moves = [
            ((alone[name][widths[i]] - alone[name][w]) / saved, changed)
            for i, name in enumerate(layers)
            for w in alone[name]
            for changed in [(*widths[:i], w, *widths[i + 1 :])]
            if (saved := cost(widths) - cost(changed)) > 0
        ]
        if not moves:
            break
        _, widths = min(moves)
    return widths


def sensitivity(
    layers: Sequence[str], choices: Sequence[str], accuracy: Callable[[Widths], float]
) -> dict[str, dict[str, float]]:
    """The accuracy with one layer at a width and all others float, by layer and width."""
    alone = {}
    for i, name in enumerate(layers):
        others = ["f"] * len(layers)
        alone[name] = {w: accuracy((*others[:i], w, *others[i + 1 :])) for w in choices}
    return alone

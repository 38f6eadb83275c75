"""Turns: everybody once a round, in order or in another one each round."""

from lowbit.timing import samples


def order(rounds: int, shuffled: bool) -> list[list[str]]:
    said: list[str] = []
    contestants = {name: lambda name=name: said.append(name) for name in "abcde"}
    times = samples(contestants, rounds, warm=1, shuffled=shuffled)
    assert {name: len(t) for name, t in times.items()} == dict.fromkeys("abcde", rounds)
    said = said[5:]  # after the warm-up
    return [said[5 * i : 5 * i + 5] for i in range(rounds)]


def test_turns_are_in_order():
    assert order(3, shuffled=False) == [list("abcde")] * 3


def test_shuffled_turns_differ_and_are_the_same_again():
    rounds = order(6, shuffled=True)
    assert all(sorted(r) == list("abcde") for r in rounds)
    assert len({tuple(r) for r in rounds}) > 1
    assert rounds == order(6, shuffled=True)

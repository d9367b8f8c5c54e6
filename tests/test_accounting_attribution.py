"""Attribution: published games, all orders by hand, whole units, sampling, sentences."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import permutations

import pytest

from greensched.accounting.attribution import (
    EXACT_MAX,
    Attribution,
    Contribution,
    Interaction,
    all_sets,
    attribute,
    interaction_indices,
    interaction_sentence,
    round_parts,
    sample,
    sampled_sets,
    shapley_values,
    strongest,
)
from greensched.errors import InternalError

Values = dict[frozenset[str], int]


def _values(**by_letters: int) -> Values:
    """Return values by sets, each written as its letters; the empty set is `none`."""
    return {frozenset(k.replace("none", "")): v for k, v in by_letters.items()}


# Three owners of gloves: a has a left one, b and c a right one each; a pair is worth 6.
GLOVES = _values(none=0, a=0, b=0, c=0, ab=6, ac=6, bc=0, abc=6)


def test_published_glove_game() -> None:
    """The owner of the scarce glove gets 4 of 6, the others 1 each (Shapley and Shubik 1969)."""
    assert {"a": 4, "b": 1, "c": 1} == shapley_values(GLOVES)


def test_published_airport_game() -> None:
    """Runway costs 8, 11, 13, 18 are shared 2, 3, 4, 9 (game of Littlechild and Owen 1973)."""
    cost = {"a": 8, "b": 11, "c": 13, "d": 18}
    values = {part: max((cost[name] for name in part), default=0) for part in all_sets("abcd")}
    assert {"a": 2, "b": 3, "c": 4, "d": 9} == shapley_values(values)


def test_interactions_of_two_by_hand() -> None:
    """With two switches the index is v(ab) - v(a) - v(b) + v(none), whatever v(none) is."""
    values = _values(none=5, a=15, b=25, ab=28)
    assert {("a", "b"): -7} == interaction_indices(values)


def test_interactions_of_the_glove_game() -> None:
    """Owners of unlike gloves reinforce each other by 3, those of like gloves compete by 3."""
    expected = {("a", "b"): 3, ("a", "c"): 3, ("b", "c"): -3}
    assert expected == interaction_indices(GLOVES)


def test_attribution_of_two() -> None:
    """Alone, last in, Shapley value and interaction of two switches, by hand."""
    found = attribute(_values(none=0, a=10, b=20, ab=24))
    assert (
        Attribution(
            method="exact",
            total=24,
            technologies=(
                Contribution(name="a", alone=10, last_in=4, shapley=7),
                Contribution(name="b", alone=20, last_in=14, shapley=17),
            ),
            interactions=(Interaction(first="a", second="b", together=-6),),
        )
        == found
    )


def test_what_is_there_without_any_switch_is_nobodys() -> None:
    """A value of 5 without any switch is in no total and no part."""
    found = attribute(_values(none=5, a=15, b=25, ab=29))
    assert 24 == found.total
    assert [(10, 4, 7), (20, 14, 17)] == [
        (c.alone, c.last_in, c.shapley) for c in found.technologies
    ]


def test_most_switches_whose_sets_are_all_run() -> None:
    """Six switches are 64 runs, the most that an exact attribution asks for."""
    assert 64 == len(all_sets("abcdefgh"[:EXACT_MAX]))


def test_mean_over_all_orders() -> None:
    """The formula equals the mean over all 120 orders of five switches, exactly."""
    rng = random.Random(3)  # noqa: S311 - an arbitrary game, not a secret
    values = {part: rng.randint(-1000, 1000) for part in all_sets("abcde")}
    sums = dict.fromkeys("abcde", 0)
    for order in permutations("abcde"):
        for size, name in enumerate(order):
            before = frozenset(order[:size])
            sums[name] += values[before | {name}] - values[before]
    assert {name: Fraction(total, 120) for name, total in sums.items()} == shapley_values(values)


def test_thirds_are_rounded_to_the_total() -> None:
    """Three equal switches that save 100 get 34, 33 and 33: the first by name one more."""
    values = {part: 100 if part else 0 for part in all_sets(["c", "a", "b"])}
    parts = {c.name: c.shapley for c in attribute(values).technologies}
    assert {"a": 34, "b": 33, "c": 33} == parts


def test_rounding_of_negative_parts() -> None:
    """Parts of 1/2, -1/2 and -1 become 1, -1 and -1: floors, and the unit to the first."""
    parts = {"a": Fraction(1, 2), "b": Fraction(-1, 2), "c": Fraction(-1)}
    assert {"a": 1, "b": -1, "c": -1} == round_parts(parts)
    assert {} == round_parts({})


def test_large_numbers_stay_exact() -> None:
    """A billion tonnes in milligrams is attributed to the last milligram."""
    total = 10**18 + 1
    values = {part: total if len(part) == 3 else 0 for part in all_sets("abc")}
    found = attribute(values)
    assert total == sum(c.shapley for c in found.technologies)
    assert {333333333333333333, 333333333333333334} == {c.shapley for c in found.technologies}


@pytest.mark.parametrize("names", ["", "a"])
def test_few_switches(names: str) -> None:
    """Without a switch nothing is attributed; a single one gets all, three times over."""
    found = attribute({part: -7 * len(part) for part in all_sets(names)})
    assert -7 * len(names) == found.total
    assert [(-7, -7, -7)] * len(names) == [
        (c.alone, c.last_in, c.shapley) for c in found.technologies
    ]
    assert () == found.interactions


def test_sets_in_order() -> None:
    """Sets come by size, then by name, whatever the order of names."""
    expected = ["", "a", "b", "c", "ab", "ac", "bc", "abc"]
    assert expected == ["".join(sorted(part)) for part in all_sets("cab")]


def test_a_missing_set_is_named() -> None:
    """A game without one of its values is refused, and the first missing set named."""
    values = dict(GLOVES)
    del values[frozenset("bc")]
    for ask in (shapley_values, interaction_indices, attribute):
        with pytest.raises(InternalError, match=r"1 sets of switches have no value.*b, c"):
            ask(values)
    with pytest.raises(InternalError, match="no switch"):
        attribute({frozenset("a"): 1})


def test_sampling_all_orders_is_exact() -> None:
    """Sampled from every order once, the estimate is the Shapley value itself."""
    found = sample(GLOVES, list(permutations("abc")))
    assert ("sampled", 6, 6) == (found.method, found.total, found.orders)
    assert [4, 1, 1] == [c.shapley for c in found.technologies]
    assert () == found.interactions


def test_standard_error_by_hand() -> None:
    """Four orders in which b adds 0, 6, 0, 6 estimate 3 with a standard error of sqrt(3)."""
    orders = ["bac", "abc", "bca", "abc"]
    b = sample(GLOVES, orders).technologies[1]
    assert ("b", 3) == (b.name, b.shapley)
    assert 3**0.5 == pytest.approx(b.standard_error, rel=1e-12)
    assert (0, 0) == (b.alone, b.last_in)


def test_sampling_needs_few_sets() -> None:
    """Two orders of eight switches need at most 2 x 9 sets and those of alone and last in."""
    orders = ["abcdefgh", "hgfedcba"]
    needed = sampled_sets(orders)
    values = {part: len(part) ** 2 for part in needed}
    assert len(needed) < 2**8 / 6
    found = sample(values, orders)
    assert 64 == sum(c.shapley for c in found.technologies) == found.total
    assert {1} == {c.alone for c in found.technologies}
    assert {15} == {c.last_in for c in found.technologies}
    assert () == sampled_sets([])


def test_sampling_finds_the_value() -> None:
    """400 drawn orders of seven switches come within four standard errors of the exact value."""
    rng = random.Random(1)  # noqa: S311 - a seeded sample
    value = {part: sum(ord(x) for x in part) * len(part) for part in all_sets("abcdefg")}
    orders = [rng.sample("abcdefg", 7) for _ in range(400)]
    exact = shapley_values(value)
    for c in sample(value, orders).technologies:
        assert 0.0 < c.standard_error
        assert abs(float(exact[c.name]) - c.shapley) <= 4 * c.standard_error + 1


@pytest.mark.parametrize(
    "orders",
    [[], ["abc"], ["abc", "ab"], ["abc", "abd"], ["aab", "aab"]],
)
def test_bad_orders_are_refused(orders: list[str]) -> None:
    """Fewer than two orders, or orders of different switches, are refused."""
    with pytest.raises(InternalError, match="two orders or more"):
        sample(GLOVES, orders)


def test_sampling_names_missing_values() -> None:
    """A value that the orders need and nobody computed is named."""
    values = {part: 0 for part in sampled_sets(["abc", "cba"]) if part != frozenset("bc")}
    with pytest.raises(InternalError, match="b, c"):
        sample(values, ["abc", "cba"])


def _kilograms(amount: int) -> str:
    return f"{amount} kg"


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            {"none": 0, "t": 10, "c": 20, "tc": 24},
            (
                "colocation and tidal compete for the same idle h: together 6 kg less than the "
                "sum of both."
            ),
        ),
        (
            {"none": 0, "t": 10, "c": 20, "tc": 33},
            "colocation and tidal reinforce each other: together 3 kg more than the sum of both.",
        ),
        ({"none": 0, "t": 10, "c": 20, "tc": 30}, "No two technologies interact."),
    ],
)
def test_sentence(values: dict[str, int], sentence: str) -> None:
    """The strongest interaction is one sentence: compete, reinforce, or neither."""
    words = {"t": "tidal", "c": "colocation"}
    named = {frozenset(words[x] for x in part): v for part, v in _values(**values).items()}
    assert sentence == interaction_sentence(attribute(named), idle="h", amount=_kilograms)


def test_interaction_among_others_is_called_a_mean() -> None:
    """Of three switches a pair's interaction is a mean over the third, and that is said."""
    values = _values(none=0, a=1, b=1, c=0, ab=2, ac=1, bc=1, abc=4)
    told = interaction_sentence(attribute(values))
    assert told == (
        "a and b reinforce each other: together 1 more than the sum of both, averaged over what "
        "else is on."
    )


def test_strongest_either_way() -> None:
    """The largest interaction by size is told, the first by name among equals."""
    found = attribute(GLOVES)
    assert Interaction(first="a", second="b", together=3) == strongest(found)
    less = attribute(_values(none=0, a=1, b=1, c=1, ab=2, ac=3, bc=0, abc=2))
    assert Interaction(first="b", second="c", together=-2) == strongest(less)


def test_sampled_interactions_are_not_known() -> None:
    """What was sampled has no interactions, and the sentence says so."""
    found = sample(GLOVES, ["abc", "cba"])
    assert "Interactions are not known: orders were sampled." == interaction_sentence(found)

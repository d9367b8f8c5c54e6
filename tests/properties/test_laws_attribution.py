"""Laws of attribution: efficiency, symmetry, null player, additivity, order of names."""

from __future__ import annotations

from itertools import permutations
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from greensched.accounting.attribution import (
    all_sets,
    attribute,
    interaction_indices,
    round_parts,
    sample,
    shapley_values,
)

if TYPE_CHECKING:
    from fractions import Fraction

NAMES = "abcdef"
AMOUNTS = st.integers(-(10**15), 10**15)
Values = dict[frozenset[str], int]


@st.composite
def games(draw: st.DrawFn, least: int = 0, most: int = 5) -> Values:
    """Draw the value of each set of up to five switches."""
    names = NAMES[: draw(st.integers(least, most))]
    return {part: draw(AMOUNTS) for part in all_sets(names)}


def _switches(values: Values) -> list[str]:
    """Return the names of all switches in order."""
    return sorted({name for part in values for name in part})


def _parts(values: Values) -> dict[str, int]:
    """Return the whole Shapley values by name."""
    return {c.name: c.shapley for c in attribute(values).technologies}


@given(values=games())
def test_i19_efficiency(values: Values) -> None:
    """Shapley values sum to the saving of all switches, exactly and in whole units."""
    everything = frozenset(_switches(values))
    total = values[everything] - values[frozenset()]
    assert total == sum(shapley_values(values).values())
    assert total == sum(_parts(values).values()) == attribute(values).total


@given(values=games(least=1))
def test_i19_rounding(values: Values) -> None:
    """A whole part is its exact value rounded up or down."""
    exact = shapley_values(values)
    for name, part in _parts(values).items():
        assert abs(part - exact[name]) < 1


@given(values=games(least=2))
def test_i19_symmetry(values: Values) -> None:
    """Two switches that add the same to every set get the same, to one unit when whole."""
    swap = {"a": "b", "b": "a"}

    def mirrored(part: frozenset[str]) -> frozenset[str]:
        return frozenset(swap.get(name, name) for name in part)

    fair = {part: value + values[mirrored(part)] for part, value in values.items()}
    exact, whole = shapley_values(fair), _parts(fair)
    assert exact["a"] == exact["b"]
    assert abs(whole["a"] - whole["b"]) <= 1


@given(values=games(most=4), added=AMOUNTS)
def test_i19_null_player(values: Values, added: int) -> None:
    """A switch that always adds the same gets that, interacts with none and changes no other."""
    more = {part | {"z"}: value + added for part, value in values.items()} | values
    exact = shapley_values(values)
    assert {**exact, "z": added} == shapley_values(more)
    assert added == _parts(more)["z"]
    for pair, index in interaction_indices(more).items():
        assert index == (0 if "z" in pair else interaction_indices(values)[pair])


@given(pair=st.integers(0, 4).flatmap(lambda n: st.tuples(games(n, n), games(n, n))))
def test_i19_additivity(pair: tuple[Values, Values]) -> None:
    """The values of the sum of two quantities are the sums of their values."""
    one, other = pair
    both = {part: one[part] + other[part] for part in one}
    first, second = shapley_values(one), shapley_values(other)
    assert {k: first[k] + second[k] for k in first} == shapley_values(both)
    i, j = interaction_indices(one), interaction_indices(other)
    assert {k: i[k] + j[k] for k in i} == interaction_indices(both)


@given(values=games(least=1), data=st.data())
def test_i19_order(values: Values, data: st.DataObject) -> None:
    """The order in which sets are given changes nothing."""
    shuffled = dict(data.draw(st.permutations(list(values.items()))))
    assert attribute(values) == attribute(shuffled)


@given(values=games(least=1), data=st.data())
def test_i19_names(values: Values, data: st.DataObject) -> None:
    """New names move the exact values with them, and names in the same order all of it."""
    names = _switches(values)
    new = dict(zip(names, data.draw(st.permutations(names)), strict=True))
    renamed = {frozenset(new[x] for x in part): v for part, v in values.items()}
    exact, moved = shapley_values(values), shapley_values(renamed)
    assert exact == {name: moved[new[name]] for name in names}
    longer = {frozenset(f"{x}-switch" for x in part): v for part, v in values.items()}
    assert _parts(values) == {k.removesuffix("-switch"): v for k, v in _parts(longer).items()}


@given(values=games(least=1, most=4), scale=st.integers(1, 1000), shift=AMOUNTS)
def test_i19_units(values: Values, scale: int, shift: int) -> None:
    """Other units scale the exact values, and a constant in all runs changes nothing."""
    moved = {part: scale * value + shift for part, value in values.items()}
    expected = {name: scale * value for name, value in shapley_values(values).items()}
    assert expected == shapley_values(moved)


@given(values=games(least=2))
def test_i19_interaction(values: Values) -> None:
    """An interaction is what a switch is worth with the other always on less always off."""
    on = {part - {"b"}: value for part, value in values.items() if "b" in part}
    off = {part: value for part, value in values.items() if "b" not in part}
    expected = shapley_values(on)["a"] - shapley_values(off)["a"]
    assert expected == interaction_indices(values)["a", "b"]


@given(values=games(least=2, most=4))
def test_i19_sampled(values: Values) -> None:
    """Sampling every order once gives the exact parts, and any sample sums to the total."""
    names = _switches(values)
    orders = list(permutations(names))
    found = sample(values, orders)
    assert _parts(values) == {c.name: c.shapley for c in found.technologies}
    some = sample(values, orders[:2])
    assert some.total == sum(c.shapley for c in some.technologies) == attribute(values).total


@given(st.lists(st.fractions(-1000, 1000, max_denominator=60), max_size=8))
def test_i19_rounded_parts_sum(given_parts: list[Fraction]) -> None:
    """Parts with a whole sum keep it, and none moves by a unit or more."""
    parts = {str(k): part for k, part in enumerate(given_parts)}
    if parts:
        parts["0"] += -sum(given_parts) % 1
    whole = round_parts(parts)
    assert sum(parts.values()) == sum(whole.values())
    assert all(abs(whole[k] - parts[k]) < 1 for k in parts)

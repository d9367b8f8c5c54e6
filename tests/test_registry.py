"""Names: what is registered exists, is imported when asked for, and a misspelling is helped."""

from __future__ import annotations

import pytest

from greensched import registry
from greensched.errors import UsageError


@pytest.mark.parametrize(
    ("kind", "name"), [(kind, name) for kind in registry.KINDS for name in registry.names(kind)]
)
def test_every_name_loads(kind: str, name: str) -> None:
    """Each registered name stands for something that can be imported."""
    assert registry.load(kind, name) is not None


@pytest.mark.parametrize("name", registry.names("policy"))
def test_kind_is_a_registered_name(name: str) -> None:
    """A policy's own kind is a registered name of the same class, also behind an alias."""
    policy = registry.load("policy", name)
    assert policy is registry.load("policy", policy().kind)


def test_misspelling() -> None:
    """An unknown name is a usage error that offers the nearest registered one."""
    with pytest.raises(UsageError, match=r"unknown policy 'tidl'; did you mean 'tidal'\?"):
        registry.load("policy", "tidl")


def test_nothing_near() -> None:
    """An unknown name without a near one lists all that are known."""
    with pytest.raises(UsageError, match="known are as-recorded, autoscaled, static-peak"):
        registry.load("baseline", "zzz")

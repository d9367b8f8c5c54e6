"""Cloud regions: facts with a source, nothing guessed."""

from __future__ import annotations

import pytest

from greensched.errors import UsageError
from greensched.providers.cloud import find, regions


def test_known_regions() -> None:
    """Published facts: Frankfurt is in DE, 275.82 g/kWh in 2024; Beijing in North China, 2022."""
    frankfurt = find("aws:eu-central-1")
    assert frankfurt.factor is not None
    assert ("DE", 275.82, 2024) == (
        frankfurt.zone,
        frankfurt.factor.factor_g_per_kwh,
        frankfurt.factor.year,
    )
    beijing = find("alibaba:cn-beijing")
    assert beijing.factor is not None
    assert ("CN-NORTH", 677.6, 2022) == (
        beijing.zone,
        beijing.factor.factor_g_per_kwh,
        beijing.factor.year,
    )


def test_every_factor_has_a_source_and_a_year() -> None:
    """Each region is there once, and each factor says whose it is and of which year."""
    listed = list(regions())
    assert len(listed) == len({region.name for region in listed}) > 90
    for region in listed:
        assert region.zone
        if region.factor is not None:
            assert region.factor.source
            assert region.factor.year in {2022, 2024}
            assert 0.0 < region.factor.factor_g_per_kwh < 1_000.0


def test_unknown_regions_are_not_guessed() -> None:
    """A region that is not known names near ones, or what one looks like; no zone is guessed."""
    with pytest.raises(UsageError, match=r"near: aws:eu-central-1.*no zone is guessed"):
        find("aws:eu-centrl-1")
    with pytest.raises(UsageError, match="such as aws:eu-central-1"):
        find("mainframe")

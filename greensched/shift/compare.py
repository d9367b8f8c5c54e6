"""One row a policy: what it emits, makes wait and costs, without a cap on cores and with one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from greensched import registry
from greensched.policies.shifting.carbon_scaler import KIND as SCALER
from greensched.shift.measured import Study, policy_named
from greensched.shift.scaling import scaling_row
from greensched.shift.space import KIND as SITES
from greensched.shift.space import space_row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from greensched.shift.space import Space
    from greensched.shift.study import Case

ORDER: Final = (
    *("no-wait", "lowest-slot", "lowest-window", "carbon-time", "next-workday", "semi-weekly"),
    *("wait-awhile", "ecovisor", "plan"),
)


def rows(
    case: Case,
    names: Sequence[str],
    *,
    space: Space | None = None,
    told: Callable[[str, float], None] | None = None,
) -> list[dict[str, Any]]:
    """Return one row for each policy of `names`, in the keys of `docs/reference/outputs.md`.

    Behind them stand jobs that scale, where the terms say what workers do, and the plan over all
    sites of `space`. `told` hears (policy, share done). Raises UsageError for an unknown name or
    queue, and for what is too large.
    """
    policies = [(name, policy_named(name, case.terms)) for name in names]
    tell = told or (lambda _name, _share: None)
    study = Study(case)
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        name: partial(study.row, name, partial(study.ran, policy)) for name, policy in policies
    }
    if case.terms.throughput:
        makers[SCALER] = partial(scaling_row, study, case.terms.throughput)
    if space is not None:
        makers[SITES] = partial(space_row, study, space)
    found = []
    for i, (name, make) in enumerate(makers.items()):
        tell(name, i / len(makers))
        found.append(make())
    return found


def registered() -> Iterator[str]:
    """Yield the names of all policies, in the order in which they are shown."""
    known = registry.names("shifting policy")
    yield from (name for name in ORDER if name in known)
    yield from (name for name in known if name not in ORDER)

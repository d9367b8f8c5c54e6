"""The exact integral of steps against a day computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from greensched.accounting import Group, Step, integrate
from greensched.accounting.integrate import step_watts
from greensched.errors import InternalError
from greensched.model import MachineType
from greensched.power import Linear

GEN8 = MachineType(
    name="gen8",
    site="hz",
    count=2,
    cpu_m=64_000,
    memory_mib=1,
    power=Linear(idle_w=100.0, peak_w=300.0),
    gpus=2,
    gpu_idle_w=30.0,
    gpu_peak_w=330.0,
    boot_w=250.0,
    sleep_w=7.0,
    off_w=3.0,
)
EDGES = np.array([0, 10_000, 25_000], np.int64)


def step(role: str, start_s: int, end_s: int, **use: float) -> Step:
    """Return a step of a gen8 machine between two whole seconds."""
    return Step(
        machine_type="gen8",
        role=role,  # type: ignore[arg-type]
        start_ms=start_s * 1_000,
        end_ms=end_s * 1_000,
        **use,
    )


def test_two_machines_by_hand() -> None:
    """Two machines that boot, work across an edge and sleep: joules and time by hand."""
    usage = integrate(
        [
            step("booting", 0, 4),
            step("online", 4, 14, utilisation=0.5),
            step("sleeping", 14, 25),
            step("off", 0, 25),
        ],
        {"gen8": GEN8},
        EDGES,
    )
    roles = [group.role for group in usage.groups]
    assert ["booting", "off", "online", "sleeping"] == roles
    # online: 100 + 200 x 0.5 W and two idle GPUs of 30 W
    assert [[1_000.0, 30.0, 6 * 260.0, 0.0], [0.0, 45.0, 4 * 260.0, 77.0]] == (
        usage.energy_j.tolist()
    )
    assert [[4_000, 10_000, 6_000, 0], [0, 15_000, 4_000, 11_000]] == usage.machine_ms.tolist()
    assert Group(site="hz", machine_type="gen8", role="online") == usage.groups[2]


@pytest.mark.parametrize(
    ("role", "watts"),
    [("booting", 250.0), ("sleeping", 7.0), ("off", 3.0), ("surplus", 3.0), ("lent", 460.0)],
)
def test_each_state_has_its_watts(role: str, watts: float) -> None:
    """Booting, sleeping, off and surplus have their own power, all others the curve and GPUs."""
    assert watts == step_watts(step(role, 0, 1, utilisation=0.5, gpu_utilisation=1 / 3), GEN8)


def test_order_of_steps_changes_nothing() -> None:
    """The integral is exact, so the order in which steps are told does not matter."""
    steps = [step("online", s, s + 1, utilisation=s / 25) for s in range(25)]
    forth = integrate(steps, {"gen8": GEN8}, EDGES)
    back = integrate(steps[::-1], {"gen8": GEN8}, EDGES)
    assert forth.energy_j.tolist() == back.energy_j.tolist()


@pytest.mark.parametrize(("start_s", "end_s"), [(-1, 5), (5, 4), (5, 26)])
def test_steps_off_the_grid_are_a_bug(start_s: int, end_s: int) -> None:
    """A step that leaves the grid or ends before it starts is refused."""
    with pytest.raises(InternalError, match="ends before it starts or leaves"):
        integrate([step("online", start_s, end_s)], {"gen8": GEN8}, EDGES)

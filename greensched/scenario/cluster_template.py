"""What `init` writes of a cluster: its node pools, and its autoscalers as the baseline."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from greensched.errors import escape_control
from greensched.scenario.machines import known_type
from greensched.units import CPU_M_PER_CORE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.readers.cluster.pools import Pool

W_PER_CORE, IDLE_SHARE = 5.0, 0.27  # of a type that is not in the table
PERCENT = 100


def quoted(text: str) -> str:
    """Return text as a YAML scalar that stays text."""
    return "'" + escape_control(text).replace("'", "''") + "'"


def fleet_of_pools(pools: Sequence[Pool]) -> str:
    """Return the fleet, an entry a pool, with what was assumed of each as comments."""
    return "".join(_pool(pool) for pool in pools)


def _pool(pool: Pool) -> str:
    """Return one pool's entry."""
    told = "".join(f"    # {line}\n" for line in _remarks(pool))
    head = f"""\
  - name: {quoted(pool.name)}
    site: here
    count: {pool.count}                       # ASSUMED: nodes when it was looked at; \
write how many there may be
"""
    reserved = f"""\
    # what the system, DaemonSets and static Pods take of a node
    reserved: {{cores: {pool.reserved_cpu_m / CPU_M_PER_CORE:g}, \
memory: {pool.reserved_memory_mib} MiB}}
    pods_max: {pool.pods_max}
    boot: {{time: 120 s}}               # ASSUMED: from asking for a node until it is ready
"""
    known = known_type(pool.instance_type)
    if known is not None and not pool.gpus:
        return f"""{told}{head}\
    # size, watts and embodied emissions as published ({known.source}); it is released, not
    # switched off, and its energy is its share of a server
    type: {quoted(pool.instance_type)}
{reserved}"""
    cores = pool.cpu_m / CPU_M_PER_CORE
    peak_w = cores * W_PER_CORE
    part = cores / 64
    mid, low, high = (max(1, round(kg * part)) for kg in (1300, 900, 2100))
    gpus = ""
    if pool.gpus:
        gpus = f"""\
    gpus: {pool.gpus}
    gpu_model: {quoted(pool.gpu_model)}
    gpu_power: {{idle: 30 W, peak: 250 W}}  # ASSUMED
"""
    return f"""{told}{head}\
    cores: {cores:g}
    memory: {pool.memory_mib} MiB
    # ASSUMED: 5 W a core, idle over peak the median of SPECpower_ssj2008; replace it by
    # 'type:' where the table has it, or by what you measured
    power: {{idle: {peak_w * IDLE_SHARE:.4g} W, peak: {peak_w:.4g} W}}
    embodied: {{kgco2e: {mid}, range: [{low}, {high}], lifetime: 5 y}}  # ASSUMED: {part:.2g} x \
a server of 64 cores
{gpus}{reserved}"""


def _remarks(pool: Pool) -> list[str]:
    """Return what is to be known of a pool beside its numbers."""
    found = []
    if pool.instance_type and known_type(pool.instance_type) is None:
        found.append(f"type {escape_control(pool.instance_type)}: not in the table of types")
    known = known_type(pool.instance_type)
    if pool.region and known is not None:
        place = escape_control(f"{known.cloud}:{pool.region}")
        found.append(f"for the site's zone: greensched carbon zones --cloud {place}")
    if pool.is_spot:
        found.append("spot: it may be taken away at any time, which is not simulated")
    if pool.taints:
        listed = ", ".join(escape_control(t) for t in pool.taints)
        found.append(f"tainted ({listed}): here any workload may use it")
    return found


def baseline_of(targets: Mapping[str, int], others: Sequence[str], least: int) -> str:
    """Return the baseline: the cluster's own autoscalers, and what they do that is not modelled.

    `targets` are services with the percent of their request that their HPA aims at, `others` those
    that scale by something else, `least` the fewest nodes that stay.
    """
    lines = [
        "baseline:",
        "  kind: autoscaled",
        f"  machines_min: {least}                   # ASSUMED: your autoscaler's smallest pools",
        "  empty: 10 min                    # ASSUMED: scale-down-unneeded-time",
    ]
    lines += [
        f"  # {escape_control(name)}: scales by another metric, so here it does not"
        for name in others
    ]
    if targets:
        usual = median(targets.values())
        lines.append(f"  # the HPAs found, {usual:g} % at the median; others keep their replicas")
        lines += [
            f"  # {escape_control(name)}: aims at {percent} % of its request, here at all of it"
            for name, percent in sorted(targets.items())
            if percent > PERCENT
        ]
        lines.append("  targets:")
        lines += [
            f"    {quoted(name)}: {min(percent, PERCENT) / PERCENT:g}"
            for name, percent in sorted(targets.items())
        ]
    else:
        lines.append("  # no HPA on CPU was found: every service keeps its replicas")
        lines.append("  targets: {}")
    return "\n".join(lines)

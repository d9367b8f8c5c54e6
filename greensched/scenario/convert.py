"""From a checked scenario to the nouns of `greensched.model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from greensched import registry
from greensched.errors import Finding, ScenarioError
from greensched.model import MachineType, PowerModel, Site
from greensched.scenario.fleetspec import (
    CurvePower,
    FleetFile,
    MachineSpec,
    PointPower,
    TypedMachine,
)
from greensched.scenario.quantity import INTENSITY, convert
from greensched.scenario.spec import AffinePue, IntensityFile
from greensched.scenario.words import near
from greensched.units import CPU_M_PER_CORE, MIB_PER_GIB

if TYPE_CHECKING:
    from greensched.model import Machines
    from greensched.scenario.fleetspec import Embodied, GpuPower, MachineBase
    from greensched.scenario.spec import ScenarioSpec, SiteSpec


def curve_of(power: CurvePower | PointPower) -> PowerModel:
    """Return the power model; UsageError where its powers cannot be."""
    if isinstance(power, PointPower):
        points: PowerModel = registry.load("power model", "piecewise")(watts_w=power.watts)
        return points
    extra = {k: v for k, v in (("r", power.r), ("alpha", power.alpha)) if v is not None}
    curve = registry.load("power model", power.model)
    unknown = [k for k in extra if k not in curve.__dataclass_fields__]
    if unknown:
        raise ScenarioError(
            Finding(where=unknown[0], what=f"power model '{power.model}' has no '{unknown[0]}'")
        )
    model: PowerModel = curve(idle_w=power.idle, peak_w=power.peak, **extra)
    return model


def sites(spec: ScenarioSpec) -> tuple[Site, ...]:
    """Return the sites that have machines, in the file's order."""
    used = {entry.site for entry in spec.fleet}
    return tuple(_site(s) for s in spec.sites if s.name in used)


def _site(spec: SiteSpec) -> Site:
    """Return one site; a PUE factor is a slope without a fixed part."""
    if isinstance(spec.pue, AffinePue):
        slope, fixed_w = spec.pue.slope, spec.pue.fixed
    else:
        slope, fixed_w = spec.pue, 0.0
    return Site(name=spec.name, zone=spec.zone, pue_slope=slope, fixed_w=fixed_w)


def machine_type(spec: MachineSpec) -> MachineType:
    """Return the machine type of one entry typed by hand."""
    power = curve_of(spec.power)
    gpu = spec.gpu_power
    return MachineType(
        name=spec.name,
        site=spec.site,
        count=spec.count,
        cpu_m=round(spec.cores * CPU_M_PER_CORE),
        memory_mib=spec.memory,
        power=power,
        gpus=spec.gpus,
        gpu_model=spec.gpu_model,
        **_gpu(gpu),
        **_common(spec, power.watts(1.0) + (gpu.peak * spec.gpus if gpu else 0.0)),
    )


def typed_machine(spec: TypedMachine) -> MachineType:
    """Return the machine type of an entry that names a published one.

    What of it is given is taken as given. A cloud's machine draws nothing once it is released,
    and comes back by booting, however briefly it was gone.
    """
    known = spec.known
    power = curve_of(spec.power or PointPower(watts=known.watts))
    common = _common(spec, power.watts(1.0))
    if spec.embodied is None:
        low_kg, middle_kg, high_kg = known.embodied_kg
        common |= {
            "embodied_known": True,
            "embodied_kg": middle_kg,
            "embodied_low_kg": low_kg,
            "embodied_high_kg": high_kg,
            "embodied_source": f"{known.source}:{known.name}",
        }
    if known.cloud:
        common |= {"sleep_w": 0.0, "off_w": 0.0, "wake_ms": spec.boot.time}
    return MachineType(
        name=spec.name,
        site=spec.site,
        count=spec.count,
        cpu_m=round(known.cores * CPU_M_PER_CORE),
        memory_mib=round(known.memory_gib * MIB_PER_GIB),
        power=power,
        is_released=bool(known.cloud),
        **common,
    )


def machine_types(spec: FleetFile, machines: Machines, where: str) -> tuple[MachineType, ...]:
    """Return the machine types of a trace's machines, grouped by size and GPU model.

    Power at full load is `per_core` x cores; idle is `idle_share` of it; GPUs by model. Sorted by
    (GPUs, cores, memory, model), so that CPU-only machines come first.
    """
    groups: dict[tuple[int, int, int, str], int] = {}
    for i in range(len(machines)):
        model = machines.gpu_models[i]
        key = (int(machines.gpus[i]), int(machines.cpu_m[i]), int(machines.memory_mib[i]), model)
        groups[key] = groups.get(key, 0) + int(machines.count[i])
    missing = sorted({k[3] for k in groups if k[0] and k[3] not in spec.gpu_power})
    if missing:
        raise ScenarioError(
            *(
                Finding(
                    where=f"{where}.gpu_power",
                    what=f"GPU model '{m}' has no power",
                    remedy=near(m, spec.gpu_power, listed=False)
                    or f"add '{m}: {{idle: 25 W, peak: 250 W}}'",
                )
                for m in missing
            )
        )
    return tuple(_from_trace(spec, key, count) for key, count in sorted(groups.items()))


def _from_trace(spec: FleetFile, key: tuple[int, int, int, str], count: int) -> MachineType:
    """Return the machine type of one group of a trace's machines."""
    gpus, cpu_m, memory_mib, model = key
    peak_w = spec.power.per_core * cpu_m / CPU_M_PER_CORE
    curve = registry.load("power model", spec.power.model)
    power = curve(idle_w=peak_w * spec.power.idle_share, peak_w=peak_w)
    gpu = spec.gpu_power[model] if gpus else None
    name = f"c{cpu_m // CPU_M_PER_CORE}-m{memory_mib // 1024}"
    return MachineType(
        name=f"{name}-{gpus}x{model}" if gpus else name,
        site=spec.site,
        count=count,
        cpu_m=cpu_m,
        memory_mib=memory_mib,
        power=power,
        gpus=gpus,
        gpu_model=model,
        **_gpu(gpu),
        **_common(spec, peak_w + (gpu.peak * gpus if gpu else 0.0)),
    )


def _gpu(gpu: GpuPower | None) -> dict[str, Any]:
    """Return the GPU fields of a machine type; watts not given are zero and flagged."""
    if gpu is None:
        return {"gpu_power_assumed": False}
    return {
        "gpu_idle_w": gpu.idle,
        "gpu_peak_w": gpu.peak,
        "gpu_power_assumed": gpu.assumed,
    }


def _common(spec: MachineBase, peak_w: float) -> dict[str, Any]:
    """Return the fields that all machine types have; `peak_w` is what booting draws."""
    return {
        "role": spec.role,
        "reserved_cpu_m": round(spec.reserved.cores * CPU_M_PER_CORE),
        "reserved_memory_mib": spec.reserved.memory,
        "pods_max": spec.pods_max,
        "disk_gib": spec.disk // MIB_PER_GIB,
        "iops": spec.iops,
        "racks": spec.racks,
        "smt_factor": spec.smt_factor,
        "labels": tuple(sorted(spec.labels.items())),
        "boot_ms": spec.boot.time,
        "boot_w": peak_w if spec.boot.power is None else spec.boot.power,
        "wake_ms": spec.sleep.wake,
        "sleep_w": spec.sleep.power,
        "off_w": spec.off.power,
        **_embodied(spec.embodied),
    }


def _embodied(spec: Embodied | None) -> dict[str, Any]:
    """Return the embodied fields; none given is not known, and counts as zero."""
    if spec is None:
        return {}
    return {
        "embodied_known": True,
        "embodied_kg": spec.kgco2e,
        "embodied_low_kg": spec.range[0],
        "embodied_high_kg": spec.range[1],
        "lifetime_ms": spec.lifetime,
    }


def constant_g_per_kwh(text: str) -> float | None:
    """Return the constant that an `intensity` text is [g/kWh], None where it names a source."""
    if "/kWh" in text or "/MWh" in text:
        return convert(text, INTENSITY)
    return None


def intensity_source(site: SiteSpec) -> IntensityFile | float:
    """Return where a site's intensity comes from, or its constant [g/kWh]."""
    if isinstance(site.intensity, IntensityFile):
        return site.intensity
    constant = constant_g_per_kwh(site.intensity)
    return IntensityFile(source=site.intensity) if constant is None else constant

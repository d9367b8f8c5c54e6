"""Where `init --from` reads: `FORMAT:FILE`, or a file whose format is told from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from greensched.errors import Finding, UsageError

MACHINES_MIN: Final = 1  # fewest assumed, so that the baseline is the thriftiest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from greensched.model import Trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Parts of a scenario, as text, of which more is known than a trace holds."""

    fleet: str = ""
    baseline: str = ""


def split(text: str) -> tuple[str, str]:
    """Return the format that `text` names before a colon, empty for none, and the rest."""
    from greensched import registry

    name, colon, rest = text.partition(":")
    if colon and name in registry.names("reader"):
        return name, rest
    return "", text


def is_address(text: str) -> bool:
    """Say whether text is the address of a server rather than a file."""
    return text.startswith(("http://", "https://"))


def files_of(
    sources: Sequence[str], more: Sequence[Path], kept: Path, given: Mapping[str, Any]
) -> tuple[str, tuple[Path, ...]]:
    """Return the format that the sources name and their files; raises UsageError.

    What a server has measured is fetched into the folder `kept`.
    """
    parts = [split(text) for text in sources]
    formats = sorted({name for name, _ in parts if name})
    for name, rest in parts:
        if is_address(rest):
            if name != "prometheus" or len(parts) + len(more) > 1:
                what = f"'{rest}': only one Prometheus can be asked"
                raise UsageError(Finding(where="--from", what=what, remedy=f"prometheus:{rest}"))
            from greensched.cli.metrics_fetch import fetched

            return name, (fetched(rest, kept, given),)
    files = (*(Path(rest) for _, rest in parts), *more)
    findings = [
        Finding(where="--from", what=f"'{path}' is not there")
        for path in files
        if not path.exists()
    ]
    if len(formats) > 1:
        what = f"one trace has one format, not {' and '.join(formats)}"
        findings.append(Finding(where="--from", what=what))
    if findings:
        raise UsageError(*findings)
    return formats[0] if formats else "", files


def parts_of(reader: str, files: Sequence[Path], trace: Trace, given: Mapping[str, Any]) -> Parts:
    """Return what `reader` knows of fleet and autoscalers beside the trace."""
    if reader == "kubernetes":
        return _of_cluster(files, trace, dict(given))
    if reader == "prometheus":
        return _of_metrics(files, trace, dict(given))
    return Parts()


def _of_metrics(files: Sequence[Path], trace: Trace, given: dict[str, Any]) -> Parts:
    """Return the nodes and HPAs that a Prometheus knows, as a scenario writes them."""
    from greensched.cli.options import read_options
    from greensched.readers.cluster.measured_nodes import pools_of
    from greensched.readers.prometheus import seen_in, targets_of
    from greensched.scenario.cluster_template import baseline_of, fleet_of_pools

    seen = seen_in(files, read_options(given))
    pools = pools_of(seen.matrix, seen.grid, seen.label, [])
    names = () if trace.services is None else trace.services.names
    targets, others = targets_of(seen, names)
    return Parts(
        fleet=fleet_of_pools(pools) if pools else "",
        baseline=baseline_of(targets, others, MACHINES_MIN),
    )


def _of_cluster(files: Sequence[Path], trace: Trace, given: dict[str, Any]) -> Parts:
    """Return the pools of a cluster and its HPAs, as a scenario writes them."""
    from greensched.cli.options import read_options
    from greensched.readers.cluster.snapshot import cluster_of
    from greensched.scenario.cluster_template import baseline_of, fleet_of_pools

    cluster = cluster_of(files, read_options(given))
    known = set() if trace.services is None else set(trace.services.names)
    targets, others = dict[str, int](), list[str]()
    for one in cluster.autoscalers:
        namespace, kind, name = one.workload
        title = f"{namespace}/{name}"
        service = title if title in known else f"{title} ({kind})"
        if one.target_percent and service in known:
            targets[service] = one.target_percent
        if one.others or service not in known:
            others.append(one.name)
    return Parts(
        fleet=fleet_of_pools(cluster.pools) if cluster.pools else "",
        baseline=baseline_of(targets, others, MACHINES_MIN),
    )

"""The classify part of a scenario: rules that say what a trace's jobs are, and which may wait."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from greensched.scenario.types import Duration, Name, Share, Spec, problem

MATCHES: Final = ("namespace", "partition", "qos", "account", "owner", "label", "name", "was")


class Rule(Spec):
    """What jobs that match all of its patterns are; `*` and `?` stand for any text."""

    namespace: Name | None = Field(default=None, description="of Kubernetes")
    partition: Name | None = Field(default=None, description="of Slurm")
    qos: Name | None = None
    account: Name | None = Field(default=None, description="of Slurm")
    owner: Name | None = Field(default=None, description="of Kubernetes: the CronJob, or the Job")
    label: Name | None = Field(default=None, description="of Kubernetes, such as 'team=ml*'")
    name: Name | None = Field(
        default=None, description="a job's; of Slurm with numbers as '*', else its id"
    )
    was: Name | None = Field(default=None, description="the class that the trace gives")
    kind: Literal["job", "service"] = Field(
        default="job", description="service: together they are one, and want what they ran on"
    )
    class_: Name | None = Field(
        default=None, alias="class", description="their class; default: as the trace says"
    )
    deferrable: bool = False
    max_delay: Duration | None = None
    interruptible: bool = False
    assumed: bool = Field(
        default=False, description="deferrable is a guess: savings are told at parts of them too"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Rule:
        """Require a pattern, and that what is said goes together."""
        if not any(getattr(self, name) for name in MATCHES):
            listed = ", ".join(MATCHES)
            raise problem("a rule without a pattern", f"give one of {listed}")
        waits = [n for n in ("max_delay", "interruptible", "assumed") if getattr(self, n)]
        if waits and not self.deferrable:
            raise problem(f"'{waits[0]}' of jobs that may not wait", "add 'deferrable: true'")
        if self.kind == "service" and (self.deferrable or self.class_ is None):
            what = "a service cannot wait" if self.deferrable else "a service needs its name"
            raise problem(what, "write 'kind: service, class: NAME'")
        return self

    @property
    def patterns(self) -> dict[str, str]:
        """Return the patterns that are given, by what they are of."""
        given = {name: getattr(self, name) for name in MATCHES}
        return {name: pattern for name, pattern in given.items() if pattern}


class ClassifySpec(Spec):
    """Which jobs may wait, by the first rule that matches; what none does is never shifted."""

    rules: Annotated[tuple[Rule, ...], Field(min_length=1)]
    assumed_share: Share = Field(
        default=1.0, description="of the jobs of rules that are assumed: how many may wait"
    )

    @property
    def is_assumed(self) -> bool:
        """Say whether any rule is a guess."""
        return any(rule.assumed for rule in self.rules)

"""Alerts and dashboard ask for metrics that there are."""

from __future__ import annotations

import json
import re

from prometheus_client import generate_latest

from greensched.controller.metrics import Metrics
from tests.conftest import ROOT

FILES = ROOT / "k8s" / "chart" / "files"
NAME = re.compile(r"\bgreensched_[a-z_]+")


def _shown() -> set[str]:
    """Return the names that a controller answers with, histograms by their parts."""
    text = generate_latest(Metrics().registry).decode()
    shown = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    return shown | {f"{name}_bucket" for name in shown}


def test_alerts_ask_for_what_is_shown() -> None:
    """Every metric in the alert rules is one that the controller shows."""
    asked = set(NAME.findall((FILES / "alerts.yaml").read_text(encoding="utf-8")))
    assert len(asked) >= 5
    assert set() == asked - _shown()


def test_the_dashboard_asks_for_what_is_shown() -> None:
    """Every metric in the dashboard is one that the controller shows, and each panel asks."""
    panels = json.loads((FILES / "dashboard.json").read_text(encoding="utf-8"))["panels"]
    asked = [NAME.findall(t["expr"]) for panel in panels for t in panel["targets"]]
    assert all(asked)
    assert set() == {name for names in asked for name in names} - _shown()


def test_the_guide_says_what_each_alert_means() -> None:
    """Every alert has a row in the guide."""
    rules = (FILES / "alerts.yaml").read_text(encoding="utf-8")
    guide = (ROOT / "docs" / "guides" / "controller.md").read_text(encoding="utf-8")
    names = re.findall(r"alert: (\w+)", rules)
    assert 6 == len(names)
    assert [] == [name for name in names if f"| `{name}` |" not in guide]

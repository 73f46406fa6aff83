"""deploy/grafana-dashboard.json shows what the gateway counts, all of it and nothing else."""

import json
import re
from itertools import pairwise
from typing import Any

import pytest

from service.observing.metrics import Metrics
from tests.documents import ROOT

SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket",)}


@pytest.fixture
def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    return found


def expressions(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]


def test_every_metric_is_shown_and_every_shown_one_exists(dashboard: dict[str, Any]) -> None:
    named = set(re.findall(r"\bgateway_\w+", " ".join(expressions(dashboard))))
    families = list(Metrics().registry.collect())
    series = {one.name + suffix for one in families for suffix in SUFFIXES[one.type]}
    assert named == series


def test_every_label_is_one_of_its_metric(dashboard: dict[str, Any]) -> None:
    labels = {
        found._name: {*found._labelnames, "instance", "le"}
        for found in vars(Metrics()).values()
        if hasattr(found, "_labelnames")
    }
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            expression, legend = target["expr"], target["legendFormat"]
            (name,) = set(re.findall(r"\bgateway_\w+", expression))
            known = labels[re.sub("_(total|bucket)$", "", name)]
            assert set(re.findall(r"by \((\w+)\)", expression)) <= known
            assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= known


def test_counters_are_rates_and_brackets_close(dashboard: dict[str, Any]) -> None:
    for expression in expressions(dashboard):
        for opening, closing in ("()", "{}", "[]"):
            assert expression.count(opening) == expression.count(closing)
        if "_total{" in expression or "_bucket{" in expression:
            assert re.search(
                r"(rate|increase)\(gateway_\w+\{[^}]*\}\[\$__rate_interval\]\)", expression
            )


def test_panels_have_their_own_places_and_say_what_they_show(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {
            (place["x"] + dx, place["y"] + dy)
            for dx in range(place["w"])
            for dy in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["description"].endswith(".")
    rows = [panel["gridPos"]["y"] for panel in panels if panel["type"] == "row"]
    assert all(above < below for above, below in pairwise(rows))


def test_it_asks_for_its_data_source_and_names_no_machine(dashboard: dict[str, Any]) -> None:
    variables = {one["name"] for one in dashboard["templating"]["list"]}
    text = json.dumps(dashboard)
    used = set(re.findall(r"\$\{?(\w+)", text)) - {"__rate_interval", "__all"}
    assert used == variables == {"datasource", "instance"}
    assert "http" not in text

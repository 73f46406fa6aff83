"""docs/sbom.json and docs/licences.md agree with the pinned and the installed packages."""

import json
import re
from importlib.metadata import metadata, version
from pathlib import Path
from typing import Any

from packaging.markers import Marker

from supply.licences import licence_of, page_of, without_registries
from tests.rows import each_row

ROOT = Path(__file__).resolve().parents[2]
BILL: dict[str, Any] = json.loads((ROOT / "docs" / "sbom.json").read_bytes())
PAGE = (ROOT / "docs" / "licences.md").read_text("utf-8")
_PINNED = re.compile(r"^([\w.-]+)==(\S+)(?: ; (.*?))? \\$", re.MULTILINE)
# Licences that allow to run a service and to pass its image on unchanged.
FREE = re.compile(
    r"(?:MIT|MIT-0|MIT-CMU|Apache-2\.0|BSD-[23]-Clause|PSF-2\.0|Python-2\.0|MPL-2\.0"
    r"|Apache Software License|BSD License| AND | OR |[(), ])+"
)


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    """Return the packages of requirements.txt for the Python version that made the bill."""
    found = {}
    for name, number, marker in _PINNED.findall((ROOT / "requirements.txt").read_text()):
        environment = {"python_full_version": "3.13.0", "python_version": "3.13"}
        if not marker or Marker(marker).evaluate(environment):
            found[canonical(name)] = number
    return found


BILLED = {canonical(one["name"]): one for one in BILL["components"]}
# Only for Pythons before 3.11.3, so its presence tells which version made the bill.
OLD_PYTHONS = {"async-timeout"}


def test_the_bill_has_what_is_pinned_and_nothing_else() -> None:
    billed = {name: one["version"] for name, one in BILLED.items() if name not in OLD_PYTHONS}
    assert billed == pinned()
    assert len(billed) > 30


def test_the_bill_is_cyclonedx_and_says_whose_it_is() -> None:
    assert BILL["bomFormat"] == "CycloneDX"
    assert BILL["metadata"]["component"]["name"] == "backend-to-v1"
    for name, one in BILLED.items():
        assert one["purl"] == f"pkg:pypi/{name}@{one['version']}"
    refs = {one["bom-ref"] for one in BILL["components"]} | {"root-component"}
    assert {one["ref"] for one in BILL["dependencies"]} == refs
    wanted = {ref for one in BILL["dependencies"] for ref in one.get("dependsOn", [])}
    assert wanted <= refs
    assert len(wanted) > 10


def test_the_bill_names_no_place_of_the_machine_that_made_it() -> None:
    text = json.dumps(BILL)
    assert not re.search(r"file:|/(?:tmp|home|root|work|opt|usr)/", text)


def test_the_page_is_that_of_the_bill() -> None:
    assert page_of(BILL) == PAGE


@each_row("name", sorted(BILLED))
def test_a_licence_is_the_one_that_is_installed(name: str) -> None:
    if name in OLD_PYTHONS:
        return
    assert version(name) == BILLED[name]["version"]
    about = metadata(name)
    declared = [about.get("License-Expression", "") or "", about.get("License", "") or ""]
    declared += [one.rpartition(" :: ")[2] for one in about.get_all("Classifier", [])]
    told = licence_of(BILLED[name])
    for one in told.split(", "):
        assert any(_same(one, other) for other in declared), (told, declared)
    assert f"| {name} | {BILLED[name]['version']} | {told} |\n" in PAGE
    assert FREE.fullmatch(told), told


def _same(told: str, declared: str) -> bool:
    """Tell whether an SPDX id and a package's own words name the same licence."""
    words = [re.sub(r"[^a-z0-9]", "", one.lower()) for one in (told, declared)]
    if words[0] == words[1]:
        return True
    families = ("mit", "apache", "bsd", "psf", "python", "mpl")
    return bool(words[1]) and any(words[0].startswith(one) and one in words[1] for one in families)


def test_what_declares_nothing_is_said_to() -> None:
    assert licence_of({"name": "x"}) == "not declared"
    assert licence_of({"licenses": [{"expression": "MIT OR Apache-2.0"}]}) == "MIT OR Apache-2.0"
    names = [{"license": {"id": "MIT"}}, {"license": {"name": "License :: OSI Approved :: X"}}]
    assert licence_of({"licenses": [*names, names[0]]}) == "MIT, X"


def test_no_registry_is_named() -> None:
    assert not [one for one in _references(BILL) if one["type"] == "distribution"]
    assert "pypi.org" not in json.dumps(BILL)


def test_addresses_of_registries_are_taken_out_at_any_depth() -> None:
    named = {"type": "distribution", "url": "https://registry.example/x"}
    kept = {"type": "website", "url": "https://x.example"}
    bill = {"components": [{"name": "x", "externalReferences": [named, kept]}]}
    wanted = {"components": [{"name": "x", "externalReferences": [kept]}]}
    assert without_registries(bill) == wanted


def _references(value: Any) -> list[dict[str, Any]]:
    """Return all external references in a bill, those of tools included."""
    if isinstance(value, list):
        return [found for one in value for found in _references(one)]
    if not isinstance(value, dict):
        return []
    own = value.get("externalReferences", [])
    return [*own, *(found for one in value.values() for found in _references(one))]

"""The licences of all packages as a page, from the bill of materials that `make sbom` writes.

python -m supply.licences BILL PAGE
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HEAD = """# Licences

What the gateway runs on, beside Python itself, and under which licences; the gateway's own is
[MIT](../LICENSE). `make sbom` writes this page and [sbom.json](sbom.json) from requirements.txt;
`tests/supply/test_licences.py` compares them with what is installed.

| package | version | licence |
| --- | --- | --- |
"""
_CLASSIFIER = "License :: OSI Approved :: "
_UNKNOWN = "not declared"


def main(arguments: Sequence[str]) -> int:
    """Write the page, remove addresses of registries from the bill, and return the exit status."""
    path, page = (Path(name) for name in arguments)
    bill = without_registries(json.loads(path.read_bytes()))
    path.write_text(json.dumps(bill, indent=2), "utf-8")
    page.write_text(page_of(bill), "utf-8")
    return 0


def without_registries(value: Any) -> Any:
    """Return a bill of materials without download addresses, which differ between installations."""
    if isinstance(value, list):
        return [without_registries(one) for one in value if not _is_registry(one)]
    if isinstance(value, dict):
        return {key: without_registries(one) for key, one in value.items()}
    return value


def _is_registry(value: Any) -> bool:
    return isinstance(value, dict) and value.get("type") == "distribution" and "url" in value


def page_of(bill: dict[str, Any]) -> str:
    """Return the page for a bill of materials, one row per package in the order of names."""
    rows = sorted(
        (component["name"].lower().replace("_", "-"), component["version"], licence_of(component))
        for component in bill["components"]
    )
    return HEAD + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def licence_of(component: dict[str, Any]) -> str:
    """Return the declared licence of a package: an SPDX expression or id, else its own words."""
    declared = []
    for entry in component.get("licenses", []):
        licence = entry.get("license", {})
        text = entry.get("expression") or licence.get("id") or licence.get("name", "")
        declared.append(text.removeprefix(_CLASSIFIER))
    return ", ".join(dict.fromkeys(one for one in declared if one)) or _UNKNOWN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

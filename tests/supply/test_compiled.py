"""Which modules are compiled; `check_compiled.py` compiles them."""

from supply.compiled import ROOT, defines_records, modules


def test_a_source_of_records_stays_as_it_is():
    names = {str(name) for name in modules()}
    assert "service/stages/decode/sse.py" in names
    assert "service/stages/decode/changes.py" not in names
    assert defines_records(ROOT / "service/stages/decode/changes.py")

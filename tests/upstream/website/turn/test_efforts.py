from pathlib import Path

from storage.state.store import open_state
from upstream.website.turn.efforts import RefusedEfforts


async def test_a_refusal_is_remembered_for_its_account_by_all_processes(tmp_path: Path) -> None:
    address = f"sqlite:{tmp_path}/state.db"
    one, other = (open_state(address, lambda _: None) for _ in range(2))
    await RefusedEfforts(one).note("anna")
    assert await RefusedEfforts(other).has("anna")
    assert not await RefusedEfforts(other).has("berta")
    await one.close()
    await other.close()

"""A file of the cache that was cut at any byte is an empty cache."""

from __future__ import annotations

from pathlib import Path

from reconciler.load.cache import EMPTY, read_pack
from tests.conftest import BASE, reconciler


def test_a_pack_cut_at_any_byte_is_empty(tmp_path: Path) -> None:
    (tmp_path / "acme.yaml").write_text(BASE)
    cache = tmp_path / "cache"
    env = {"RECONCILER_CACHE_DIR": str(cache)}
    reconciler("validate", ".", cwd=tmp_path, env=env).ok()
    (pack,) = cache.glob("*.pack")
    whole, index = pack.read_bytes(), 0
    for length in [*range(64), *range(64, len(whole), 97)]:
        pack.write_bytes(whole[:length])
        found = read_pack(pack)
        index += found is EMPTY
        for key in found.extracts:
            assert found.extracts.get(key) is None or length > 64
    assert index >= 64
    for length in (8, 12, 16, 20):  # where a check of no bytes was that of no index
        pack.write_bytes(whole[:length])
        reconciler("validate", ".", cwd=tmp_path, env=env).ok()

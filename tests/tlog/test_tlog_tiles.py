"""Tiles: the examples of C2SP tlog-tiles, strict paths and bundles, and trees made of tiles only."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tlognaive import entry, mth, served

from appliance.tlog import merkle, tiles
from appliance.tlog.errors import ProofImpossible, TileInvalid
from appliance.tlog.tiles import ENTRIES, Tile, TileTree

any_tile = st.builds(Tile, st.integers(ENTRIES, 63), st.integers(0, 10**15), st.integers(1, 256))


# --- which tiles there are, and their names ------------------------------------------------------


def test_paths_of_the_specification() -> None:
    """C2SP tlog-tiles, "Merkle Tree" and "Partial Tiles"."""
    assert Tile(0, 1234067).path == "tile/0/x001/x234/067"
    assert Tile(0, 1067, 5).path == "tile/0/x001/067.p/5"
    assert Tile(ENTRIES, 0).path == "tile/entries/000"
    assert Tile(ENTRIES, 999, 1).path == "tile/entries/999.p/1"
    assert Tile(63, 1000).path == "tile/63/x001/000"


def test_tiles_of_the_specification() -> None:
    """C2SP tlog-tiles, "Partial Tiles": a tree of 70,000, and one of 256."""
    made = list(tiles.tiles_of(70_000))
    assert made[:273] == [Tile(0, index) for index in range(273)]
    assert made[273:] == [Tile(0, 273, 112), Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles.tiles_of(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert list(tiles.bundles_of(70_000)) == [*(Tile(ENTRIES, index) for index in range(273)), Tile(ENTRIES, 273, 112)]
    assert list(tiles.tiles_of(0)) == list(tiles.bundles_of(0)) == []
    assert list(tiles.tiles_of(1)) == [Tile(0, 0, 1)]


@given(st.integers(0, 10**6))
def test_the_width_is_the_formula_of_the_specification(size: int) -> None:
    """floor(s / 256**l) mod 256 for the partial tile of each level; no empty tile."""
    made = list(tiles.tiles_of(size))
    assert all(tile == tiles.tile_of(tile.level, tile.index, size) for tile in (*made[:3], *made[-3:]))
    partial = {tile.level: tile.width for tile in made if not tile.full}
    for level in range(4):
        assert partial.get(level, 0) == size // 256**level % 256
        assert sum(tile.width for tile in made if tile.level == level) == size // 256**level


@given(any_tile)
def test_path_and_back(tile: Tile) -> None:
    assert tiles.parse_path(tile.path) == tile


@given(any_tile, st.data())
def test_an_altered_path_is_refused_or_another_tile(tile: Tile, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(tile.path) - 1))
    altered = tile.path[:place] + data.draw(st.characters()) + tile.path[place + data.draw(st.integers(0, 1)) :]
    try:
        found = tiles.parse_path(altered)
    except TileInvalid:
        return
    assert found.path == altered
    assert (found == tile) == (altered == tile.path)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("", "not the path of a tile, such as tile/0/x001/067"),
        ("tile/0/000 ", "not the path of a tile"),
        ("tile/0/000\n", "not the path of a tile"),
        ("/tile/0/000", "not the path of a tile"),
        ("tile/0/0", "not the path of a tile"),
        ("tile/0/0000", "not the path of a tile"),
        ("tile/0/001/067", "not the path of a tile"),
        ("tile/0/x001", "not the path of a tile"),
        ("tile/00/000", "not the path of a tile"),
        ("tile/-1/000", "not the path of a tile"),
        ("tile/entry/000", "not the path of a tile"),
        ("tile/0/../000", "not the path of a tile"),
        ("tile/0/٠٠٠", "not the path of a tile"),
        ("tile/0/000.p/0", "not the path of a tile"),
        ("tile/0/000.p/05", "not the path of a tile"),
        ("tile/0/000.p", "not the path of a tile"),
        ("tile/0/" + "x001/" * 7 + "000", "not the path of a tile"),
        ("tile/0/000.p/256", "a partial tile's width below 256"),
        ("tile/0/000.p/999", "a partial tile's width below 256"),
        ("tile/64/000", "a tile's level is at most 63"),
        ("tile/0/x000/067", "the path of this tile is spelled tile/0/067"),
    ],
)
def test_a_path_has_one_spelling(path: str, message: str) -> None:
    with pytest.raises(TileInvalid, match=message):
        tiles.parse_path(path)


def test_tiles_that_no_log_has() -> None:
    for level, index, width in ((-2, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)):
        with pytest.raises(TileInvalid, match=f"no log has a tile of level {level}, index {index}, width {width}"):
            Tile(level, index, width)
    for level, index, size in ((0, 0, 0), (0, 2, 512), (1, 0, 255), (ENTRIES, 1, 256), (0, -1, 5), (-2, 0, 5)):
        with pytest.raises(TileInvalid, match=f"a tree of {size} leaves has no tile of level {level}, index {index}"):
            tiles.tile_of(level, index, size)


# --- what is in them ---------------------------------------------------------------------------


def test_a_bundle_of_the_specification() -> None:
    """C2SP tlog-tiles, "Log entries": big-endian uint16 lengths before each entry."""
    assert tiles.pack_bundle([b"one", b"", b"x" * 258]) == b"\x00\x03one\x00\x00\x01\x02" + b"x" * 258
    for largest in ([b"y" * 65_535], [b"%d" % number for number in range(256)]):
        assert tiles.read_bundle(tiles.pack_bundle(largest), len(largest)) == largest


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=256), st.data())
def test_bundle_and_back(entries: list[bytes], data: st.DataObject) -> None:
    packed = tiles.pack_bundle(entries)
    assert tiles.read_bundle(packed, len(entries)) == entries
    for width in {len(entries) - 1, len(entries) + 1}:
        with pytest.raises(TileInvalid, match="the bundle (ends in its entry|goes on for)"):
            tiles.read_bundle(packed, width)
    cut = data.draw(st.integers(0, len(packed) - 1))
    with pytest.raises(TileInvalid, match=rf"the bundle ends in its entry \d+ of {len(entries)}$"):
        tiles.read_bundle(packed[:cut], len(entries))
    with pytest.raises(TileInvalid, match=f"goes on for 1 bytes after its {len(entries)} entries"):
        tiles.read_bundle(packed + b"\0", len(entries))


@given(st.binary(max_size=60), st.integers(1, 8))
def test_bytes_read_as_a_bundle_are_the_bundle_of_what_was_read(data: bytes, width: int) -> None:
    try:
        entries = tiles.read_bundle(data, width)
    except TileInvalid:
        return
    assert tiles.pack_bundle(entries) == data


def test_a_bundle_that_cannot_be() -> None:
    for entries in ([], [b""] * 257, [b"", b"z" * 65_536]):
        with pytest.raises(TileInvalid, match="a bundle holds 1 to 256 entries of at most 65535 bytes"):
            tiles.pack_bundle(entries)


def test_the_hash_of_a_full_tile() -> None:
    full = b"".join(mth(index, index + 1) for index in range(256))
    assert tiles.tile_hash(full) == mth(0, 256)
    assert len(tiles.read_hashes(full, 256)) == 256
    for wrong in (full[:-32], full[:-1], full + b"\0", b""):
        with pytest.raises(TileInvalid, match=f"a tile of 256 hashes has 8192 bytes, not {len(wrong)}"):
            tiles.tile_hash(wrong)


# --- trees of tiles ----------------------------------------------------------------------------


def test_a_tree_of_three_levels() -> None:
    """70,000 leaves out of tiles only, against the frontier that saw every leaf; few tiles are asked for."""
    size, olds = 70_000, (1, 255, 256, 257, 65_535, 65_536, 65_537, 69_999)
    leaves = [merkle.leaf_hash(entry(number)) for number in range(size)]
    edge, roots = merkle.Frontier(), {0: merkle.EMPTY_ROOT}
    for before, after in zip((0, *olds), (*olds, size), strict=True):
        edge.extend(leaves[before:after])
        roots[after] = edge.root()
    rows = [leaves]
    while len(rows[-1]) >= 256:
        rows.append([tiles.tile_hash(b"".join(rows[-1][i : i + 256])) for i in range(0, len(rows[-1]) - 255, 256)])
    asked: list[Tile] = []

    def fetch(tile: Tile) -> bytes:
        asked.append(tile)
        return b"".join(rows[tile.level][tile.index * 256 :][: tile.width])

    tree = TileTree(fetch, size)
    assert merkle.root(size, tree.subtree) == roots[size]
    assert set(asked) == {Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)}
    for index in (0, 1, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        proof = merkle.inclusion_proof(index, size, tree.subtree)
        merkle.verify_inclusion(leaves[index], index, size, proof, roots[size])
    for old in olds:
        proof = merkle.consistency_proof(old, size, tree.subtree)
        merkle.verify_consistency(old, roots[old], size, roots[size], proof)
        assert merkle.root(old, tree.subtree) == roots[old]
    assert len(asked) == len(set(asked)) < 20


def test_a_tree_of_tiles_keeps_few_of_them() -> None:
    """More tiles than are kept: read again when they are needed again, and right all the same."""
    full = b"".join(mth(index, index + 1) for index in range(256))
    asked: list[int] = []

    def fetch(tile: Tile) -> bytes:
        asked.append(tile.index)
        return full

    tree = TileTree(fetch, 256 * 200)
    for _ in range(2):
        for number in range(tiles.CACHED_TILES + 1):
            assert tree.subtree(3, number * 32) == mth(0, 8)
            assert tree.subtree(0, number * 256 + 9) == mth(9, 10)
    assert len(asked) == 2 * (tiles.CACHED_TILES + 1)


def test_a_tree_of_tiles_has_no_more_than_its_size() -> None:
    tree = TileTree(served(257), 257)
    assert tree.subtree(8, 0) == mth(0, 256)
    for height, index in ((0, 257), (8, 1), (9, 0), (0, -1), (-1, 0)):
        with pytest.raises(ProofImpossible, match=f"no perfect subtree {index} of height {height}"):
            tree.subtree(height, index)


def test_a_tile_of_another_width_is_refused() -> None:
    for data in (b"", b"\0" * 31, b"\0" * 64, b"\0" * 8192):
        with pytest.raises(TileInvalid, match=f"a tile of 5 hashes has 160 bytes, not {len(data)}"):
            TileTree(lambda tile, data=data: data, 5).subtree(0, 0)

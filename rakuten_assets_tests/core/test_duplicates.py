import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rakuten_assets.core import duplicates
from rakuten_assets.core.duplicates import clusters, deduplicate, near_pairs
from rakuten_assets.core.images import NO_IDENTITY

A, B, C = 0x0F0F_3C3C_A5A5_9999, 0xFFFF_0000_FF00_1234, 0x1357_9BDF_0246_8ACE


def flipped(value: int, *bits: int) -> int:
    for bit in bits:
        value ^= 1 << bit
    return value


# Hashes near one another, some equal, so that pairs lie on both sides of every radius.
crowds = st.lists(
    st.builds(flipped, st.sampled_from([A, B, C, 0]), *[st.integers(0, 63)] * 5) | st.sampled_from([A, B, C, 0]),
    max_size=40,
)


def brute_force(values: list[int], radius: int) -> list[tuple[int, int]]:
    first = {value: position for position, value in reversed(list(enumerate(values)))}
    distinct = sorted(first.values())
    near = [(i, j) for i in distinct for j in distinct if i < j and (values[i] ^ values[j]).bit_count() <= radius]
    copies = [(first[value], j) for j, value in enumerate(values) if first[value] != j]
    return sorted(near + copies)


@settings(max_examples=300, deadline=None)
@given(crowds, st.integers(0, 7))
def test_near_pairs_are_those_of_brute_force(values, radius):
    pairs = near_pairs(np.array(values, np.uint64), radius)
    assert pairs.dtype == np.int32
    assert [tuple(pair) for pair in pairs.tolist()] == brute_force(values, radius)


def test_near_pairs_are_the_same_however_many_are_compared_at_once(monkeypatch):
    rng = np.random.default_rng(0)
    # Three values in the lowest band make its buckets big.
    hashes = (rng.integers(0, 1 << 12, 500, dtype=np.uint64) << np.uint64(16)) | rng.integers(
        0, 3, 500, dtype=np.uint64
    )
    at_once = near_pairs(hashes)
    monkeypatch.setattr(duplicates, "CANDIDATES", 64)
    assert (near_pairs(hashes) == at_once).all()
    assert [tuple(pair) for pair in at_once.tolist()] == brute_force(hashes.tolist(), 7)


@pytest.mark.parametrize("radius", range(8))
def test_bits_that_differ_in_every_band_are_found(radius):
    bits = [16 * (number % 4) + 3 * number for number in range(radius)]
    pair = np.array([A, flipped(A, *bits)], np.uint64)
    assert near_pairs(pair, radius).tolist() == [[0, 1]]


@pytest.mark.parametrize("radius", [-1, 8])
def test_a_radius_that_would_miss_pairs_is_refused(radius):
    with pytest.raises(ValueError, match="between 0 and 7"):
        near_pairs(np.array([1], np.uint64), radius)


def test_many_equal_hashes_make_as_many_pairs():
    pairs = near_pairs(np.full(20_000, A, np.uint64))
    assert (pairs == np.stack([np.zeros(19_999), np.arange(1, 20_000)], axis=1)).all()


@pytest.mark.parametrize(
    ("values", "first"),
    [
        ([A, B, C], [0, 1, 2]),
        ([A, B, flipped(A, 1), A], [0, 1, 0, 0]),
        # A chain: the last is near the second, not near the first, so it does not follow it.
        ([A, flipped(A, *range(7)), flipped(A, *range(14))], [0, 0, 2]),
        # A copy goes where the first of its kind went.
        ([A, flipped(A, 3), flipped(A, 3)], [0, 0, 0]),
        ([NO_IDENTITY, NO_IDENTITY, 1, NO_IDENTITY, 3], [0, 1, 2, 3, 2]),
        ([], []),
    ],
)
def test_clusters_gather_around_their_first_member(values, first):
    assert clusters(np.array(values, np.uint64)).tolist() == first


@settings(max_examples=100, deadline=None)
@given(crowds, crowds)
def test_a_cluster_is_the_same_whatever_comes_later(before, after):
    alone = clusters(np.array(before, np.uint64))
    assert clusters(np.array(before + after, np.uint64))[: len(before)].tolist() == alone.tolist()


def pictures(*rows: tuple[str, int, int | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [(100 + number, *row) for number, row in enumerate(rows)],
        schema={"productid": pl.Int64, "sha256": pl.String, "phash": pl.UInt64, "prdtypecode": pl.Int64},
        orient="row",
    )


NEAR_A = flipped(A, 0, 20, 40)
CASES = [
    ("unlike", [("a", A, 10), ("b", B, 10)], [(100, "unique", True, 1), (101, "unique", True, 1)]),
    ("one class, exact", [("a", A, 10), ("a", A, 10)], [(100, "unique", True, 1), (100, "exact", False, 0)]),
    (
        "one class, near",
        [("a", A, 10), ("b", NEAR_A, 10)],
        [(100, "unique", True, 1), (100, "near", False, 0)],
    ),
    (
        "two classes",
        [("a", A, 10), ("b", NEAR_A, 40), ("a", A, 40), ("c", A, 10)],
        [
            (100, "unique", True, 0.5),
            (100, "near", True, 0.5),
            (100, "exact", False, 0),
            (100, "near", False, 0),
        ],
    ),
    (
        "unlabelled copies",
        [("a", A, None), ("a", A, 10), ("b", NEAR_A, None), ("b", NEAR_A, None)],
        [
            (100, "unique", False, 0),
            (100, "exact", True, 1),
            (100, "near", True, 0),
            (100, "exact", False, 0),
        ],
    ),
    (
        "no identity",
        [("a", NO_IDENTITY, 10), ("b", NO_IDENTITY, 10), ("a", NO_IDENTITY, 10)],
        [(100, "unique", True, 1), (101, "unique", True, 1), (100, "exact", False, 0)],
    ),
]


@pytest.mark.parametrize(("rows", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_duplicates_are_kept_and_weighed_by_class(rows, expected):
    table = deduplicate(pictures(*rows)).table
    assert table.select("cluster_id", "kind", "kept", "sample_weight").rows() == expected
    assert table.columns == ["productid", "sha256", "cluster_id", "kind", "kept", "sample_weight"]
    assert table["productid"].to_list() == [100 + number for number in range(len(rows))]


def test_the_counts_are_of_later_rows():
    found = deduplicate(pictures(("a", A, 10), ("a", A, 10), ("b", NEAR_A, 10), ("c", C, 10)))
    assert (found.exact, found.near, found.ratio) == (1, 1, 0.5)


def test_no_pictures_are_no_duplicates():
    found = deduplicate(pictures())
    assert (found.table.height, found.ratio) == (0, 0.0)
    assert found.table.schema["cluster_id"] == pl.Int64

"""What is looked for, and what only looks like it and is somebody else's."""

import polars as pl
import pytest

from rakuten_assets.purge.needles import Needles, besides, telling

TITLE = 'Table "Rêve d\'été" à 4 pieds'


@pytest.fixture
def found():
    return Needles("jo@x.com", "Jo Zwölf", frozenset({TITLE}), frozenset({"ab" * 32}))


@pytest.mark.parametrize(
    "others",
    ["mojo@x.com", "mo.jo@x.com", "jo@x.common", "jo@x.com.au", "mojo zwölf", "Jo Zwölfer", "jo@x.com@y.org"],
)
def test_a_part_of_another_ones_address_or_name_is_not_hers(found, others):
    values = pl.Series([others, f"écrire à {others}, merci"])
    assert not found.among(values).any()
    assert found.redacted(values).to_list() == values.to_list()
    assert not found.in_file("a.txt", others.encode())


@pytest.mark.parametrize(
    ("hers", "instead"),
    [
        ("jo@x.com", "[purged]"),
        ("<jo@x.com>, <Jo@X.COM>.", "<[purged]>, <[purged]>."),
        ("jo@x.com.", "[purged]."),
        ('"a\\njo@x.com"', '"a\\n[purged]"'),
        ("JO ZWöLF et jo zwölf", "[purged] et [purged]"),
        (TITLE.upper().replace("Ê", "ê").replace("É", "é").replace("À", "à"), "[purged]"),
        (f"a {'ab' * 32} b", "a [purged] b"),
    ],
)
def test_hers_is_found_however_it_is_written(found, hers, instead):
    assert found.among(pl.Series([hers, None])).to_list() == [True, False]
    assert found.redacted(pl.Series([hers, None])).to_list() == [instead, None]
    assert found.in_file("a.txt", hers.encode())
    assert found.redacted_file(hers.encode()) == instead.encode()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('1;"Table ""Rêve d\'été"" à 4 pieds";2', b'1;"[purged]";2'),
        ("<td>Table &quot;Rêve d&#x27;été&quot; à 4 pieds</td>", b"<td>[purged]</td>"),
        ('<td>Table "Rêve d\'été" à 4 pieds</td>', b"<td>[purged]</td>"),
        (
            '{"a": "Table \\"R\\u00eave d\'\\u00C9t\\u00e9\\" \\u00e0 4 pieds"}'.replace("C9", "e9"),
            b'{"a": "[purged]"}',
        ),
    ],
)
@pytest.mark.parametrize("code", ["utf-8", "cp1252"])
def test_what_it_stands_in_has_its_own_way_to_write_it(found, before, after, code):
    data = before.encode(code)
    assert found.in_file("a.csv", data)
    assert found.redacted_file(data) == after


def test_letters_that_an_encoding_does_not_have_leave_no_shorter_pattern():
    found = Needles("jo@x.com", "", frozenset({"日本語 の 商品 の 名前 です"}), frozenset())
    assert not found.in_file("a.txt", b"some       words        and     spaces")


def test_a_file_that_holds_other_bytes_keeps_each_of_them(found):
    data = bytes(range(256))
    assert found.redacted_file(data + b" jo@x.com " + data) == data + b" [purged] " + data


def test_what_others_say_as_well_also_as_a_part_is_nobodys():
    others = [pl.Series(["FIFA 20 pour PLAYSTATION 4 neuve", None]), pl.Series(["<b>Tom &amp; Jerry, figurine</b>"])]
    theirs = {"pour Playstation 4", "Tom & Jerry, figurine", "Fauteuil zorblaxien", "event_specific_data", "à 4"}
    assert besides(telling(theirs), others) == {"Fauteuil zorblaxien"}

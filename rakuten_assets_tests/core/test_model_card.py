"""A model card says what the answers say, of everybody, and nothing that somebody could smuggle into it."""

from dataclasses import replace
from html import unescape

import markdown2
import numpy as np
import polars as pl
import pytest

from rakuten_assets.core import model_card as core
from rakuten_assets.core.evaluate import Difference, Scores
from rakuten_assets.core.review import ReviewThresholds
from rakuten_assets.core.taxonomy import CODES, NAMES

FACTS = core.Facts("classifier", "0123", {"Text model": "svm"}, {"Deliveries": "1"})


def names(*places):
    return [NAMES[CODES[at]] for at in places]


def opinion(said, sure=0.9):
    """Log-probabilities that are `sure` of a class position each; of None there is no opinion."""
    table = np.full((len(said), len(CODES)), np.log((1 - sure) / (len(CODES) - 1)))
    for row, at in enumerate(said):
        table[row] = np.nan if at is None else table[row]
        if at is not None:
            table[row, at] = np.log(sure)
    return table


def answers(labels, said, *, text=None, image=None, learnt=None, sure=0.9, **traits):
    """Answers on gold rows; French ones with a title of 40 characters and a description, unless `traits` differ."""
    n = len(labels)
    usual = {"language": ["fr"] * n, "title_length": [40] * n, "described": [True] * n, "live": [False] * n}
    rows = pl.DataFrame(usual | traits, schema_overrides={"language": pl.String, "live": pl.Boolean})
    return core.Answers(
        opinion(said if text is None else text, sure),
        opinion(said if image is None else image, sure),
        opinion(said, sure),
        np.array(labels, dtype=np.intp),
        rows,
        np.arange(len(CODES), 0, -1) if learnt is None else np.array(learnt),
    )


def found(given):
    return {(each.kind, each.name): each for each in core.slices(given)}


def section(card, title):
    return card.split(f"## {title}\n")[1].split("\n## ")[0]


def table(text):
    """The rows of a Markdown table as lists of cells, without its heading."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if not line.startswith("| ---")]


def test_a_card_has_every_section_of_a_model_card():
    card = core.markdown(FACTS, answers([0, 1], [0, 1]))
    for title in ("Model details", "Intended use", "Training and evaluation data", "Scores on gold rows"):
        assert section(card, title).strip()
    for title in ("Scores by slice", "Confusions", "Calibration and review", "Limits and known risks"):
        assert section(card, title).strip()
    assert "| Text model | svm |" in card
    assert "| Deliveries | 1 |" in card


def test_scores_are_of_the_rows_that_each_model_can_judge_and_of_the_catalogue_alone():
    given = answers([0, 1, 2, 3], [0, 1, 9, 3], text=[0, 9, None, 3], live=[False, False, False, True])
    rows = {row[0]: row[1:] for row in table(section(core.markdown(FACTS, given), "Scores on gold rows"))}
    assert (rows["text"][0], rows["text"][3]) == ("2", "0.500")
    assert (rows["stacked (what answers)"][0], rows["stacked (what answers)"][3]) == ("3", "0.667")
    assert rows["stacked, on the web app's gold rows"][0] == "1"


def test_every_category_has_its_row_and_none_without_gold_rows_a_score():
    classes = core.by_category(answers([0, 0, 0, 1], [0, 0, 1, 1]))
    assert classes.height == len(CODES)
    first, second, third = classes.head(3).iter_rows(named=True)
    assert (first["n"], first["precision"], first["recall"]) == (3, 1.0, pytest.approx(2 / 3))
    assert (second["n"], second["precision"], second["f1"]) == (1, 0.5, pytest.approx(2 / 3))
    assert (third["n"], third["f1"], third["recall"]) == (0, None, None)


def test_scores_by_category_are_those_of_scikit_learn():
    from sklearn.metrics import precision_recall_fscore_support

    rng = np.random.default_rng(0)
    labels, said = rng.integers(0, len(CODES), 300), rng.integers(0, len(CODES), 300)
    classes = core.by_category(answers(labels, said))
    precision, recall, f1, n = precision_recall_fscore_support(
        labels, said, labels=range(len(CODES)), zero_division=0, average=None
    )
    assert classes["n"].to_list() == list(n)
    for name, expected in (("precision", precision), ("recall", recall), ("f1", f1)):
        assert np.allclose(classes[name].to_numpy(), expected)


def test_slices_divide_the_gold_rows():
    given = answers(
        [0, 0, 1, 1, 2],
        [0, 0, 1, 0, 2],
        text=[0, 0, 1, None, 2],
        image=[0, None, 1, 0, 2],
        language=["fr", "fr", "en", None, "fr"],
        title_length=[1, 30, 31, 0, 101],
        described=[True, False, True, False, True],
        live=[False, False, False, False, True],
    )
    sizes = {key: each.n for key, each in found(given).items()}
    assert [sizes["decided by", name] for name in ("both", "the text alone", "the picture alone")] == [2, 1, 1]
    assert [sizes["language", name] for name in ("fr", "en")] == [2, 1]
    assert [sizes["title", name] for name in ("none", "1 to 30 characters", "31 to 60 characters")] == [1, 2, 1]
    assert [sizes["description", name] for name in ("with", "without")] == [2, 2]
    assert sizes["origin", "web app"] == 1
    assert found(given)["decided by", "the picture alone"].accuracy == 0


def test_the_rare_categories_are_those_with_the_fewest_rows_to_learn_from():
    learnt = np.full(len(CODES), 100)
    learnt[20:] = 3
    rare = found(answers([19, 20, 26], [19, 20, 25], learnt=learnt))["categories", f"the {core.RAREST} rarest"]
    assert (rare.n, rare.accuracy) == (2, 0.5)


@pytest.mark.parametrize(("rows", "said"), [(core.FEWEST - 1, "too few to conclude"), (core.FEWEST, "")])
def test_a_slice_of_few_rows_is_marked(rows, said):
    card = core.markdown(FACTS, answers([0] * rows, [0] * rows))
    [row] = [row for row in table(section(card, "Scores by slice")) if row[:2] == ["description", "with"]]
    assert row[2] == str(rows)
    assert row[-1] == said


def test_a_slice_has_an_interval_that_holds_its_score():
    f1 = found(answers([0, 1] * 40, [0, 1, 0, 0] * 20))["language", "fr"].f1
    assert f1.low < f1.value < f1.high


def test_the_most_frequent_confusions_come_first_with_their_share():
    swapped = core.most_confused(answers([0, 0, 0, 0, 1, 2], [3, 3, 3, 0, 4, 2]))
    [truth, said] = names(0, 3)
    assert swapped.row(0) == (truth, said, 3, 0.75)
    assert swapped.height == 2


def test_review_is_that_of_the_models_own_thresholds():
    given = answers([0, 1, 2, 3], [0, 1, 2, 9], sure=0.6)
    for threshold, share, rest in ((0.5, "0.0 %", "75.0 % of 4 rows"), (0.7, "100.0 %", "– of 0 rows")):
        card = core.markdown(replace(FACTS, review=ReviewThresholds(threshold)), given)
        facts = dict(row for row in table(section(card, "Calibration and review")) if len(row) == 2)
        assert (facts["Share sent to a review"], facts["Accuracy of the rest"]) == (share, rest)


def test_the_champion_before_stands_beside_it():
    ours, theirs = Scores(9, 0.8, 0.7, 0.75, 0.05), Scores(9, 0.6, 0.5, 0.55, 0.04)
    compared = core.Compared("aaaa", ours, theirs, Difference(0.2, 0.1, 0.3))
    beside = section(core.markdown(replace(FACTS, compared=compared), answers([0], [0])), "Beside the champion before")
    assert "+0.200 (+0.100 to +0.300)" in beside
    assert "| version aaaa | 9 | 0.600 | 0.500 | 0.550 | 0.040 |" in beside


def test_behaviour_is_shown_where_it_was_tried():
    trial = core.Trial("known_confusions", 0.75, 0.5, 40)
    assert "| known confusions | 40 | 0.750 | 0.500 |" in core.markdown(
        replace(FACTS, behaviour=(trial,)), answers([0], [0])
    )
    assert "No results of the behaviour checks" in core.markdown(FACTS, answers([0], [0]))


def risks(given, **facts):
    return section(core.markdown(replace(FACTS, **facts), given), "Limits and known risks")


def test_limits_name_what_the_figures_show():
    given = answers(
        [0] * 40 + [1] * 40,
        [0] * 40 + [2] * 30 + [1] * 10,
        image=[0] * 40 + [2] * 35 + [None] * 5,
        language=["fr"] * 78 + ["de"] * 2,
    )
    said = risks(given)
    truth, taken = names(1, 2)
    assert f"Weakest categories: {truth} (F1 0.400, 40 rows)" in said
    assert f"to take {truth} for {taken}: 30 rows, 75.0 % of the category" in said
    assert "6.2 % of the gold rows have no picture" in said
    assert "written in: de (2 rows)" in said
    assert "No gold row is without a text" in said
    assert "Its confidence is off by" in said
    assert "judged by 0 rows of the web app" in said
    assert "of none of the 27 categories still gets one" in said


def test_limits_are_silent_about_what_is_well():
    n = core.FEWEST
    given = answers([0] * 2 * n, [0] * 2 * n, sure=0.99, live=[False] * n + [True] * n)
    said = risks(given)
    for warning in (
        "Its most frequent mistake",
        "Too few gold rows",
        "Its confidence is off",
        "of the web app",
        "slice",
    ):
        assert warning not in said


def test_a_card_without_gold_rows_says_that_nothing_is_known():
    card = core.markdown(FACTS, answers([], []))
    assert "| stacked (what answers) | 0 | – | – | – | – |" in card
    assert "nan" not in card


def test_rows_that_were_not_answered_are_not_counted():
    given = answers([0, 1], [0, None])
    card = core.markdown(FACTS, given)
    assert "| stacked (what answers) | 1 |" in card
    assert sum(int(row[1]) for row in table(section(card, "Scores by category"))[1:]) == 1


NASTY = "a|b <img src=x onerror=alert(1)> *c* _d_ `e` [f](javascript:g) \\ & \n| h |"


@pytest.mark.parametrize("place", ["name", "model", "data"])
def test_nothing_that_stands_in_a_card_is_markup(place):
    facts = replace(FACTS, **{place: NASTY if place == "name" else {NASTY: NASTY}})
    card = core.markdown(facts, answers([0], [0]))
    html = markdown2.markdown(card, extras=["tables"])
    for markup in ("<img", "<em>c", "<em>d", "<code>e", "<a ", "<td>h"):
        assert markup not in html
    assert NASTY.replace("\n", " ") in unescape(html)


def test_the_same_facts_make_the_same_card():
    given = answers([0, 1, 2] * 20, [0, 2, 2] * 20)
    assert core.markdown(FACTS, given) == core.markdown(FACTS, given)


def test_answers_of_different_sizes_are_refused():
    with pytest.raises(ValueError, match="different numbers of rows"):
        replace(answers([0, 1], [0, 1]), labels=np.array([0]))

"""Evidently's pages about a window: how its features are distributed beside the reference's, and who was right.

They hold numbers, languages and category codes, never a product's text. A page is one HTML file of some 4 MB, to be
stored and linked. Evidently's reports send nothing anywhere: only its own servers count their users.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import polars as pl

from rakuten_assets.core.drift import Part
from rakuten_assets.core.drift_concept import FEWEST_LABELS
from rakuten_assets.core.drift_reference import EMBEDDED, Reference, window_sample


def page(reference: Reference, window: pl.DataFrame, parts: Iterable[Part], seed: int = 0) -> str:
    """HTML about each plain column that `Reference.compare` made one of `parts` of, by the same index and limit.

    `seed` is that of `compare`: both cut a large window to the same rows. Raises `TooFew` as it does; embeddings have
    no page. ValueError where none of the parts is a column.
    """
    from evidently import Report
    from evidently.presets import DataDriftPreset

    limits = {part.name: part.limit for part in parts if part.name in reference.rows.columns}
    columns = [name for name in limits if not EMBEDDED.fullmatch(name) and name in window.columns]
    if not columns:
        raise ValueError("None of the parts is a column of both sides.")
    sides = reference.rows.select(columns), window_sample(window, seed).select(columns)
    known, current = (_dataset(side, reference.rows.schema) for side in sides)
    # One column is enough for drift, as it is for the score.
    preset = DataDriftPreset(
        columns=columns, method="psi", per_column_threshold=limits, drift_share=1 / len(columns), include_tests=True
    )
    return str(Report([preset]).run(current_data=current, reference_data=known).get_html_str(as_iframe=False))


def answers_page(labels: pl.DataFrame) -> str | None:
    """HTML about the champion's answers (`code`) against people's (`label`).

    None below `FEWEST_LABELS` rows, and below three categories on either side, where Evidently sees a yes or no.
    """
    from evidently import DataDefinition, Dataset, MulticlassClassification, Report
    from evidently.presets import ClassificationPreset
    from sklearn.exceptions import UndefinedMetricWarning

    # Both as strings: Evidently refuses to compare a number with a name.
    known = labels.select(pl.col("code", "label").cast(pl.String)).drop_nulls()
    if len(known) < FEWEST_LABELS or min(known[name].n_unique() for name in ("code", "label")) < 3:
        return None
    roles = MulticlassClassification(target="label", prediction_labels="code")
    definition = DataDefinition(categorical_columns=["code", "label"], classification=[roles])
    data = Dataset.from_pandas(_pandas(known), data_definition=definition)
    with warnings.catch_warnings():
        # A category that nobody named, or that was never answered, is no news in a week's worth of labels.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        return str(Report([ClassificationPreset()]).run(current_data=data).get_html_str(as_iframe=False))


def _dataset(features: pl.DataFrame, schema: pl.Schema) -> Any:
    from evidently import DataDefinition, Dataset

    numbers = [name for name in features.columns if schema[name].is_numeric()]
    others = [name for name in features.columns if name not in numbers]
    plain = features.with_columns(
        pl.col(numbers).cast(pl.Float64, strict=False), pl.col(others).cast(pl.String, strict=False)
    )
    definition = DataDefinition(numerical_columns=numbers, categorical_columns=others)
    return Dataset.from_pandas(_pandas(plain), data_definition=definition)


def _pandas(table: pl.DataFrame) -> Any:
    """Without pyarrow, which the core does not need."""
    import pandas as pd

    return pd.DataFrame(table.to_dict(as_series=False))

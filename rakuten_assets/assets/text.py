"""From what sellers typed to what models read."""

import dagster as dg
import polars as pl

from rakuten_assets import plots
from rakuten_assets.assets.common import counts, per_batch, whole
from rakuten_assets.core import language, text, translate
from rakuten_assets.resources import DataRoot, Translation


@per_batch("text", kinds={"polars", "parquet"})
def cleaned_text(products: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """Title and description as one text, as a reader sees it (`light`) and reduced to lemmas (`classic`)."""
    cleaned = text.clean(products)
    return dg.MaterializeResult(
        value=cleaned,
        metadata={
            "rows": len(cleaned),
            "with_markup_percent": round(100 * int(cleaned["html"].sum()) / max(len(cleaned), 1), 2),
            "without_text": int((cleaned["light"] == "").sum()),
            "title_lengths": plots.histogram(cleaned["title_length"], "Lengths of titles", "characters"),
            "description_lengths": plots.histogram(
                cleaned["description_length"].clip(0, 5000), "Lengths of descriptions", "characters"
            ),
        },
    )


@per_batch("text", kinds={"polars", "parquet"})
def languages(cleaned_text: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """The language that each product's text is written in."""
    spoken = pl.Series("language", language.detect(cleaned_text["light"]), dtype=pl.String)
    table = cleaned_text.select("productid").with_columns(spoken)
    shares = counts(spoken)
    return dg.MaterializeResult(
        value=table, metadata={"rows": len(table), "languages": plots.bars(shares, "Products by language")}
    )


@per_batch("text", kinds={"polars", "parquet"}, pool="translation")
def translated_text(
    cleaned_text: pl.DataFrame, languages: pl.DataFrame, data: DataRoot, translation: Translation
) -> dg.MaterializeResult[pl.DataFrame]:
    """Each product's text in French; the original is kept, and flagged, where a translation failed."""
    cache = translate.TranslationCache(data.path / "translations")
    spoken = cleaned_text.select("productid", "light").join(languages, on="productid", how="left")
    done = translate.translate(spoken, translation.translator(), cache)
    return dg.MaterializeResult(
        value=done.table,
        metadata={
            "rows": len(done.table),
            "translator": translation.kind,
            "translated": done.translated,
            "from_cache": done.from_cache,
            "already_french": done.kept,
            "failed": done.failed,
        },
    )


@whole("text", kinds={"polars", "parquet"})
def duplicate_texts(products: pl.DataFrame, cleaned_text: pl.DataFrame) -> dg.MaterializeResult[pl.DataFrame]:
    """Texts that several products share, and whether they were put in different categories."""
    labelled = cleaned_text.select("productid", "text_key").with_columns(products["prdtypecode"])
    groups = text.duplicate_texts(labelled)
    repeated = int(groups["productids"].list.len().sum()) - len(groups)
    return dg.MaterializeResult(
        value=groups,
        metadata={
            "groups": len(groups),
            "repeated_rows_percent": round(100 * repeated / max(len(cleaned_text), 1), 2),
            "contradictory_groups": int(groups["contradictory"].sum()),
        },
    )

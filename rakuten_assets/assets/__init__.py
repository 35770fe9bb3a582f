"""The asset graph, in the order in which data flows through it."""

from rakuten_assets.assets import catalogue, champion, embeddings, images, models, serving, similar, splits, text

ALL_ASSETS = [
    catalogue.products,
    catalogue.quarantine,
    text.cleaned_text,
    text.languages,
    text.translated_text,
    text.duplicate_texts,
    images.image_fingerprints,
    images.deduplicated_images,
    images.prepared_images,
    splits.splits,
    embeddings.text_embeddings,
    embeddings.image_embeddings,
    models.text_model,
    models.image_model,
    similar.similar_products,
    models.stacked_model,
    champion.challenger,
    champion.champion,
    serving.bento,
    serving.serving_image,
    serving.deployed_model,
]

"""What goes over the wire: the requests and answers of the prediction service."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Version = Annotated[str, StringConstraints(pattern="^[0-9a-f]{16}$")]
Role = Literal["champion", "shadow", "canary"]

MAX_TOP = 27
MAX_SIMILAR = 50
MAX_BATCH = 64
MAX_TASK = 10_000


class Body(BaseModel):
    """A request's body; a field that is not known is a typing error that the caller should hear of."""

    model_config = ConfigDict(extra="forbid", strict=True)


class ProductIn(Body):
    """A product as a seller describes it: text, picture, or both."""

    designation: str = Field("", description="Title, at most 10,000 characters.")
    description: str = Field("", description="Description, at most 100,000 characters; may hold HTML.")
    image: str | None = Field(None, description="Picture as base64 (JPEG, PNG, WebP, GIF, BMP or TIFF).")


class PredictIn(ProductIn):
    top: int = Field(5, ge=1, le=MAX_TOP, description="How many categories to answer with.")


class Origin(Body):
    """The request that a product of a batch belongs to: its id, and its span as W3C's header `traceparent` has it."""

    request_id: str = Field("", max_length=64, pattern=r"^[\w.:-]*$")
    traceparent: str = Field("", max_length=64)


class BatchIn(Body):
    products: list[ProductIn] = Field(min_length=1, max_length=MAX_BATCH)
    top: int = Field(5, ge=1, le=MAX_TOP, description="How many categories each product gets.")
    origins: list[Origin] = Field([], max_length=MAX_BATCH, description="Whose each product is, for logs and traces.")


class ExplainIn(ProductIn):
    code: int | None = Field(None, description="The category to explain; by default the one that is answered.")


class SimilarIn(ProductIn):
    count: int = Field(5, ge=1, le=MAX_SIMILAR, description="How many products to answer with.")


class Category(BaseModel):
    code: int = Field(description="prdtypecode")
    name: str
    confidence: float = Field(description="Calibrated probability, 0 to 1.")


class Review(BaseModel):
    """Why a person must look at an answer."""

    code: Literal["low_confidence", "text_and_picture_disagree"]
    text: str


class ItemPrediction(BaseModel):
    """The answer for one product."""

    model_version: str
    categories: list[Category] = Field(description="The likeliest categories, best first.")
    rests_on: Literal["text", "image", "both"]
    needs_review: bool
    review: Review | None = None


class Prediction(ItemPrediction):
    request_id: str


class ItemError(BaseModel):
    """Why one product of a batch has no answer."""

    error: str
    code: str


class BatchPrediction(BaseModel):
    request_id: str
    predictions: list[ItemPrediction | ItemError] = Field(description="One for each product, in their order.")


class Word(BaseModel):
    """A word of the text that the model read, and its share of the decision."""

    word: str
    start: int
    end: int
    contribution: float


class TextExplanation(BaseModel):
    """Exact for linear models: `base` + the words' contributions + `elsewhere` = `logit`."""

    read: str
    logit: float
    base: float
    elsewhere: float
    words: list[Word]


class PictureExplanation(BaseModel):
    """How much the category's log-odds fall when a region is hidden, row by row."""

    rows: int
    columns: int
    regions: list[list[float]]
    picture: str = Field(description="The picture as the model saw it, JPEG as base64; the regions divide it evenly.")


class Opinion(BaseModel):
    """How sure one model is of the explained category, and its factor in the pool, where that decided."""

    confidence: float
    weight: float | None


class Explanation(BaseModel):
    """What spoke for a category; the parts of a text or a picture that is not there are null."""

    request_id: str
    model_version: str
    rests_on: Literal["text", "image", "both"]
    category: Category
    runner_up: Category
    text_opinion: Opinion | None
    image_opinion: Opinion | None
    text: TextExplanation | None
    image: PictureExplanation | None


class SimilarProduct(BaseModel):
    productid: int
    designation: str
    code: int
    name: str
    similarity: float = Field(description="Cosine of the embeddings, -1 to 1.")
    image: str | None = Field(description="SHA-256 of its stored picture.")


class SimilarProducts(BaseModel):
    request_id: str
    model_version: str
    products: list[SimilarProduct] = Field(description="The nearest first.")


class TaskIn(Body):
    products: list[ProductIn] = Field(min_length=1, max_length=MAX_TASK)
    top: int = Field(5, ge=1, le=MAX_TOP)


class TaskResult(BaseModel):
    predictions: list[ItemPrediction | ItemError]


class Named(BaseModel):
    code: int
    name: str


class ModelInfo(BaseModel):
    """Who answers."""

    version: str
    challenger: str | None
    categories: list[Named]


class Error(BaseModel):
    """Every refusal: a sentence for people, a word for programs, and the request that it answers."""

    error: str
    code: str
    request_id: str


class VersionIn(Body):
    version: Version


class ChallengerIn(Body):
    version: Version
    mode: Literal["shadow", "canary"] = "shadow"
    share: float = Field(0.1, gt=0, le=1, description="Share of the products that a canary answers.")


class Challenger(BaseModel):
    version: Version
    mode: Literal["shadow", "canary"]
    share: float


class Worker(BaseModel):
    """What one worker process has made of the deployment."""

    pid: int
    generation: int
    champion: str | None
    challenger: str | None = None
    error: str | None = None


class Deployment(BaseModel):
    """Which models are to answer. `rejected` are versions that were rolled back or could not be trusted."""

    generation: int = 0
    champion: Version | None = None
    previous: Version | None = None
    challenger: Challenger | None = None
    rejected: dict[str, str] = Field(default_factory=dict)


class DeploymentReport(Deployment):
    workers: list[Worker]

    @property
    def answering(self) -> str | None:
        """The version that every worker answers with; None where they differ, or none does."""
        versions = {worker.champion for worker in self.workers}
        return versions.pop() if len(versions) == 1 else None

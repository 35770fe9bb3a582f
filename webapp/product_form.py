"""The form of a product, as a seller describes it: for a new one and for one that is edited."""

from functools import partial

from nicegui import ui

from rakuten_assets.core.products import MAX_DESCRIPTION, MAX_DESIGNATION
from rakuten_assets.store.products import MAX_REFERENCE
from rakuten_assets.store.records import Draft, Product
from webapp import pictures
from webapp.auth import Visit
from webapp.picture_field import PictureField


class ProductForm:
    """Title, description, reference and picture, with what is wrong with each said beside it."""

    def __init__(self, visit: Visit, product: Product | None = None) -> None:
        self.visit = visit
        draft = product or Draft("")
        with ui.row().classes("w-full gap-6 items-start"):
            with ui.column().classes("gap-3").style("flex: 3 1 20rem; min-width: 0"):
                self.designation = counted_field(visit, "submit.designation", draft.designation, MAX_DESIGNATION)
                self.description = counted_field(
                    visit, "submit.description", draft.description, MAX_DESCRIPTION, lines=True
                )
                self.reference = counted_field(visit, "submit.reference", draft.reference, MAX_REFERENCE)
            with ui.column().style("flex: 2 1 16rem; min-width: 0"):
                self.picture = self._picture(product)
        if product is None:
            self.designation.props("autofocus")

    def draft(self) -> Draft | None:
        """What was filled in; None where something is wrong, which the form now says."""
        if self.picture.busy:
            self.visit.tell("submit.uploading", "info")
            return None
        fine = [self._checked_text(), self._checked_picture()]
        if not all(fine):
            return None
        designation, description, reference = (str(field.value or "") for field in self._fields)
        return Draft(designation, description, self.picture.value, reference)

    def _picture(self, product: Product | None) -> PictureField[str]:
        return PictureField(
            self.visit,
            partial(pictures.keep, self.visit.app),
            value=product.image if product else None,
            shown=f"/pictures/{product.id}?size=full&of={product.image[:12]}" if product and product.image else "",
            optional=self.visit.app.settings.text_only,
        )

    @property
    def _fields(self) -> tuple[ui.input, ui.input, ui.input]:
        return self.designation, self.description, self.reference

    def _checked_text(self) -> bool:
        if not str(self.designation.value or "").strip():
            self.designation.error = self.visit.t("submit.missing_designation")
        wrong = [field for field in self._fields if field.error]
        if wrong:
            wrong[0].run_method("focus")
        return not wrong

    def _checked_picture(self) -> bool:
        if self.picture.value is not None or self.visit.app.settings.text_only:
            return True
        self.picture.wrong(self.visit.t("submit.missing_image"))
        return False


def counted_field(visit: Visit, key: str, value: str, most: int, lines: bool = False) -> ui.input:
    """A field that counts its characters while they are typed."""
    field = (ui.textarea if lines else ui.input)(visit.t(key), value=value)
    field.classes("w-full").props("outlined bottom-slots hide-bottom-space")
    # A long text is sent as a whole with every change.
    field.props("autogrow debounce=300" if lines else "")
    with field.add_slot("counter"):
        count = ui.label()
    with field.add_slot("hint"):
        ui.label(visit.t(f"{key}_hint", most=most)).classes("app-soft")

    def counted() -> None:
        length = len(str(field.value or ""))
        count.set_text(visit.t("submit.count", count=length, most=most))
        field.error = visit.t("submit.too_long", count=length, most=most) if length > most else None

    field.on_value_change(counted)
    counted()
    return field

"""Where a picture is handed in: dropped, pasted, chosen or taken with the camera, and shown as it was kept."""

import base64
import io
from collections.abc import Callable
from typing import Generic, TypeVar

from nicegui import ui
from nicegui.elements.upload_files import FileUpload

from rakuten_assets.core.images import open_rgb
from rakuten_assets.store.errors import Refused
from webapp import metrics, pictures, texts
from webapp.auth import Visit
from webapp.drop_zone import DropZone
from webapp.refusals import or_refused

Kept = TypeVar("Kept")

ACCEPTED = ".jpg,.jpeg,.png,.webp,.gif,.bmp,.tif,.tiff"
MOST_MEGABYTES = pictures.MAX_BYTES // 1_000_000
PREVIEW_SIDE = 480

CSS = """
.picture-preview { max-width: 100%; max-height: 280px; border-radius: 8px; object-fit: contain; align-self: center; }
.picture-camera { display: none; }
@media (hover: none) and (pointer: coarse) { .picture-camera { display: inline-flex; } }
"""


class PictureField(Generic[Kept]):
    """A picture that was handed in. `value` is what `keep` made of its bytes, None where there is none."""

    def __init__(
        self,
        visit: Visit,
        keep: Callable[[bytes], Kept],
        *,
        value: Kept | None = None,
        shown: str = "",
        optional: bool = False,
    ) -> None:
        """`keep` runs in a thread; `shown` is the address of the picture that is there already."""
        self._visit, self._keep, self.value = visit, keep, value
        ui.add_css(CSS)
        self._zone = DropZone(
            visit,
            visit.t("picture.label_optional" if optional else "picture.label"),
            accepted=ACCEPTED,
            most=pictures.MAX_BYTES,
            refusal=visit.t("picture.not_allowed", most=MOST_MEGABYTES),
            received=self._received,
        )
        with self._zone.inside:
            self._drawn()
        self._preview(shown)
        ui.run_javascript(_PASTE % self._zone.upload.id)

    @property
    def busy(self) -> bool:
        """Whether a picture is on its way."""
        return self._zone.busy

    def wrong(self, message: str) -> None:
        """Say what is wrong with the picture; nothing takes it back."""
        self._zone.wrong(message)

    def clear(self) -> None:
        """Take the picture out again."""
        self.value = None
        self.wrong("")
        self._preview("")

    def _drawn(self) -> None:
        t = self._visit.t
        self._image = ui.element("img").classes("picture-preview").mark("preview")
        self._image.props["alt"] = t("picture.preview")
        ui.label(t("picture.limits", most=MOST_MEGABYTES)).classes("app-soft app-small")
        with ui.row().classes("gap-2"):
            self._zone.choose(t("picture.choose"), "photo_library")
            camera = ui.button(t("picture.camera"), icon="photo_camera").props("outline no-caps")
            camera.classes("picture-camera").on("click", js_handler=_CAPTURE % self._zone.upload.id)
            self._remove = ui.button(t("picture.remove"), icon="close", on_click=self.clear).props("flat no-caps")
        ui.label(t("picture.private")).classes("app-soft app-small")

    async def _received(self, file: FileUpload) -> None:
        """A picture that is not accepted leaves the one before in its place."""
        result = await self._visit.ask(or_refused(self._kept), await file.read())
        if isinstance(result, Refused):
            self.wrong(texts.said(result, self._visit.language))
        elif result is not None:
            self.value = result[0]
            self.wrong("")
            self._preview(result[1])

    def _kept(self, data: bytes) -> tuple[Kept, str]:
        """Runs in a thread."""
        metrics.PICTURES.labels("form").inc(len(data))
        return self._keep(data), preview(data)

    def _preview(self, address: str) -> None:
        self._image.props["src"] = address
        self._image.set_visibility(bool(address))
        self._remove.set_visibility(bool(address))


def preview(data: bytes) -> str:
    """A small copy of a picture that can be used, as the address of itself."""
    image = open_rgb(data, at_least=PREVIEW_SIDE)
    image.thumbnail((PREVIEW_SIDE, PREVIEW_SIDE))
    image.info = {}
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"


# Without the attribute the next choice is from the files again.
_CAPTURE = """() => {
  const input = getElement(%d).$el.querySelector("input[type=file]");
  input.setAttribute("capture", "environment");
  input.click();
  setTimeout(() => input.removeAttribute("capture"), 1000);
}"""

_PASTE = """document.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
  const field = getElement(%d);
  if (files.length && field) {
    event.preventDefault();
    field.$refs.qRef.addFiles(files.slice(0, 1));
  }
});"""

"""A place on a page where a file is dropped or chosen, with what came of it said beside it."""

from collections.abc import Awaitable, Callable

from nicegui import ui
from nicegui.elements.upload_files import FileUpload
from nicegui.events import UploadEventArguments

from webapp.auth import Visit

CSS = """
.drop-zone .q-uploader { width: 100%; max-height: none; background: none; box-shadow: none; color: inherit;
  border: 2px dashed var(--app-edge); border-radius: 10px; }
.drop-zone .q-uploader__header { display: none; }
.drop-zone .q-uploader__list { padding: 1rem; min-height: 0; max-height: none; overflow: visible; }
.drop-zone .q-uploader__dnd { border-radius: 10px; background: var(--app-note-ground); opacity: .8; }
.drop-wrong .q-uploader { border-color: var(--app-bad); }
.drop-error { color: var(--app-bad); }
"""

_PICK = "() => getElement(%d).$refs.qRef.pickFiles()"


class DropZone:
    """Takes one file at a time: `received(file)` is awaited for each. What belongs into it is drawn in `inside`."""

    def __init__(
        self,
        visit: Visit,
        label: str,
        *,
        accepted: str,
        most: int,
        refusal: str,
        received: Callable[[FileUpload], Awaitable[None]],
    ) -> None:
        """`accepted` lists the names' endings, `most` is in bytes, and `refusal` is said of a file that is neither."""
        self.visit, self.busy = visit, False
        self._most, self._refusal, self._received = most, refusal, received
        ui.add_css(CSS)
        with ui.column().classes("drop-zone w-full gap-1") as self._box:
            ui.label(label).classes("font-medium")
            self.upload = self._uploader(accepted)
            with self.upload.add_slot("list"):
                self.inside = ui.column().classes("w-full gap-3")
            self._progress = ui.linear_progress(show_value=False).props("indeterminate")
            self._progress.props["aria-label"] = visit.t("file.busy")
            self._progress.set_visibility(False)
            self._error = ui.label().classes("app-small drop-error").props("role=alert")
            self._error.set_visibility(False)

    def wrong(self, message: str) -> None:
        """Say what is wrong; nothing takes it back."""
        self._error.set_text(message)
        self._error.set_visibility(bool(message))
        self._box.classes("drop-wrong") if message else self._box.classes(remove="drop-wrong")

    def choose(self, text: str, icon: str) -> None:
        """A button that lets a file be chosen."""
        button = ui.button(text, icon=icon).props("outline no-caps")
        button.on("click", js_handler=_PICK % self.upload.id)

    def _uploader(self, accepted: str) -> ui.upload:
        upload = ui.upload(
            auto_upload=True,
            max_file_size=self._most,
            on_begin_upload=lambda: self._wait(True),
            on_upload=self._uploaded,
            on_rejected=lambda: self.wrong(self._refusal),
        )
        upload.props("flat square").props["accept"] = accepted
        return upload.on("failed", self._failed, args=[])

    async def _uploaded(self, event: UploadEventArguments) -> None:
        """Browsers check the size before they send; who sends otherwise is checked here."""
        self._wait(True)
        try:
            if event.file.size() > self._most:
                self.wrong(self._refusal)
            else:
                await self._received(event.file)
        finally:
            self._wait(False)
            self.upload.reset()

    def _failed(self) -> None:
        self._wait(False)
        self.wrong(self.visit.t("file.lost"))

    def _wait(self, busy: bool) -> None:
        self.busy = busy
        self._progress.set_visibility(busy)

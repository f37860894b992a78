"""Windows over the screens: a text, an incident with what can be done about it, and the line that is asked for."""

from __future__ import annotations

from typing import Final

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Footer, Input, Static

from syscard.render.cardtext import incident_text
from syscard.render.paint import Line, Tone
from syscard.views import View
from syscard.words import one_line, wrap
from syscard_tui.deeds import DEEDS, Deed
from syscard_tui.widgets import Facts, plain

LONGEST_LINE: Final = 4000


class DetailScreen(ModalScreen[None]):
    """A text in a window."""

    BINDINGS = [
        Binding("escape", "dismiss", "Close"),
        Binding("enter", "dismiss", "Close", show=False),
        Binding("q", "dismiss", "Close", show=False),
        Binding("j", "scroll('down')", "Down", show=False),
        Binding("k", "scroll('up')", "Up", show=False),
        Binding("g", "scroll('home')", "Top", show=False),
        Binding("G", "scroll('end')", "Bottom", show=False),
    ]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """The text and how to leave."""
        with VerticalScroll(id="window"):
            yield Static(plain(self._text.rstrip("\n")))
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """The text scrolls at once."""
        window = self.query_one("#window", VerticalScroll)
        window.border_title = plain(self._title)
        window.border_subtitle = "esc closes   y copies"
        window.focus()

    def action_scroll(self, where: str) -> None:
        """Move the text."""
        page = self.query_one("#window", VerticalScroll)
        moves = {"down": page.scroll_down, "up": page.scroll_up, "home": page.scroll_home, "end": page.scroll_end}
        moves[where](animate=False)

    def copied(self) -> str:
        """The text of the window."""
        return self._text


class IncidentScreen(DetailScreen):
    """An incident, and the keys for what its finder does about it."""

    BINDINGS = [
        Binding("a", "ask('acknowledge')", "Acknowledge"),
        Binding("n", "ask('note')", "Note"),
        Binding("r", "ask('resolve')", "Resolve"),
    ]

    class Asked(Message):
        """Somebody wants to do something about it."""

        def __init__(self, deed: Deed, number: int) -> None:
            super().__init__()
            self.deed, self.number = deed, number

    def __init__(self, title: str, text: str) -> None:
        super().__init__(title, text)
        self._number = int(title.removeprefix("INC-"))

    def action_ask(self, name: str) -> None:
        """Ask before anything is written."""
        self.post_message(self.Asked(DEEDS[name], self._number))

    def renew(self, view: View, columns: int) -> None:
        """What was done to it meanwhile."""
        text = incident_text(view, self._number, window_width(columns))
        if text != self._text and self.is_mounted:
            self._text = text
            self.query_one("#window Static", Static).update(plain(text.rstrip("\n")))


class AskScreen(ModalScreen[None]):
    """One line that confirms, or says what is to be written; what was typed stays until it is written, or left."""

    BINDINGS = [
        Binding("escape", "dismiss", "Leave it"),
    ]

    class Confirmed(Message):
        """It may be written."""

        def __init__(self, deed: Deed, number: int, text: str) -> None:
            super().__init__()
            self.deed, self.number, self.text = deed, number, text

    def __init__(self, deed: Deed, number: int) -> None:
        super().__init__()
        self._deed, self._number = deed, number
        self._sent: AskScreen.Confirmed | None = None

    def compose(self) -> ComposeResult:
        """The line, what is said of it, and how to leave."""
        with Vertical(id="ask"):
            yield Input(id="line", max_length=LONGEST_LINE)
            yield Facts(id="told")
        yield Footer(show_command_palette=False)

    def on_mount(self) -> None:
        """It can be typed at once."""
        self.query_one("#ask").border_title = plain(self._deed.question(self._number))
        self.query_one("#told").display = False
        self.query_one("#line").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Written in the background, if it is enough."""
        refused = self._deed.refusal(event.value)
        if refused:
            self.tell(refused)
            return
        event.input.disabled = True
        self._say("writing ...", "quiet")
        self._sent = self.Confirmed(self._deed, self._number, event.value.strip())
        self.post_message(self._sent)

    def waits_for(self, asked: AskScreen.Confirmed | None) -> bool:
        """Whether it is this that was sent and has not come back; None stands for whatever was sent."""
        return self._sent is not None and asked in (None, self._sent)

    def tell(self, trouble: str) -> None:
        """Why nothing was written; what was typed can be sent again."""
        self._sent = None
        self._say(trouble, "bad")
        line = self.query_one("#line", Input)
        line.disabled = False
        line.focus()

    def _say(self, text: str, tone: Tone) -> None:
        told = self.query_one("#told", Facts)
        told.display = True
        told.show(Line(line, tone) for line in wrap(one_line(text), max(20, self.size.width - 4), most=3))


def window_width(columns: int) -> int:
    """Columns for the text of a window, as the style sheet sizes it: border, padding and scroll bar taken off."""
    return min(106, columns * 9 // 10) - 6

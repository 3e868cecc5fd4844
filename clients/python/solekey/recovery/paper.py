"""Drawing on paper: type, numbered words, QR codes as vector shapes, records. The text stays text.

All text is in the PDF standard fonts, so that nothing is embedded and a page can be read back. Lengths are in
points (1/72 inch); a sheet is filled from the top.

Spec: recovery.md §2.
"""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from datetime import datetime

INK: Final = "#14222e"
MUTED: Final = "#5b6b78"
LINE: Final = "#b9c4cc"
WASH: Final = "#f3f6f8"
ACCENT: Final = "#0b6e69"
ALARM: Final = "#a4262c"

BODY, BOLD, MONO, MONO_BOLD = "Helvetica", "Helvetica-Bold", "Courier", "Courier-Bold"
MARGIN: Final = 44.0
_RECORD_SIZE, _RECORD_CHARS, _RECORD_FONT_SIZE = 122.0, 800, 6.2
"""A record of so many characters has a QR code of this size; a longer one a larger code."""
_QUIET_MODULES: Final = 4
_MODULE_OVERLAP: Final = 0.03  # of a module: no hairlines between the shapes on a screen


class Paper(Enum):
    """A paper size, in points."""

    A4 = (595.28, 841.89)
    LETTER = (612.0, 792.0)


@dataclass(slots=True)
class Sheet:
    """One page that is being drawn; ``y`` is how far down it is filled, measured from its top."""

    canvas: Any
    width: float
    height: float
    y: float = MARGIN

    @property
    def inner_width(self) -> float:
        """The width between the margins."""
        return self.width - 2 * MARGIN

    def text(
        self, x: float, y: float, text: str, *, font: str = BODY, size: float = 9, color: str = INK
    ) -> float:
        """Draw one line with its baseline ``y`` below the top; return where it ends."""
        self.canvas.setFillColor(color)
        self.canvas.setFont(font, size)
        self.canvas.drawString(x, self.height - y, text)
        return x + float(self.canvas.stringWidth(text, font, size))

    def caption(self, x: float, y: float, text: str) -> None:
        """Draw small centred text."""
        self.text(x - self.canvas.stringWidth(text, BODY, 7.5) / 2, y, text, size=7.5, color=MUTED)

    def rule(self, x: float, y: float, width: float, *, color: str = LINE, weight: float = 0.6) -> None:
        """Draw a horizontal line."""
        self.canvas.setStrokeColor(color)
        self.canvas.setLineWidth(weight)
        self.canvas.line(x, self.height - y, x + width, self.height - y)

    def box(self, y: float, height: float, *, fill: str = WASH, border: str = LINE) -> None:
        """Draw a box from margin to margin."""
        self.canvas.setFillColor(fill)
        self.canvas.setStrokeColor(border)
        self.canvas.setLineWidth(0.6)
        self.canvas.roundRect(MARGIN, self.height - y - height, self.inner_width, height, 5, stroke=1, fill=1)

    def title(self, kind: str, title: str, lead: str) -> None:
        """Draw the top of the page: the name, what it is, and the one sentence that matters."""
        self.text(MARGIN, self.y + 8, "SOLEKEY", font=BOLD, size=9, color=ACCENT)
        end = self.width - MARGIN
        self.canvas.setFont(BOLD, 9)
        self.text(end - self.canvas.stringWidth(kind, BOLD, 9), self.y + 8, kind, font=BOLD, color=ALARM)
        self.rule(MARGIN, self.y + 14, self.inner_width, color=ACCENT, weight=1.4)
        self.text(MARGIN, self.y + 42, title, font=BOLD, size=24)
        self.y += 50
        self.y = self.paragraph(MARGIN, self.y, self.inner_width, lead, size=9.5, leading=13)

    def facts(self, rows: Sequence[tuple[str, str]]) -> None:
        """Draw names and values, one pair a line."""
        self.y += 8
        for name, value in rows:
            self.y += 13
            self.text(MARGIN, self.y, name, size=8.5, color=MUTED)
            self.text(MARGIN + 74, self.y, to_printable(value), font=MONO, size=9)

    def paragraph(
        self, x: float, y: float, width: float, text: str, *, size: float = 8.5, leading: float = 11.2
    ) -> float:
        """Draw wrapped text in reportlab's markup; return how far down it reaches."""
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.platypus import Paragraph

        style = ParagraphStyle("body", fontName=BODY, fontSize=size, leading=leading, textColor=INK)
        paragraph = Paragraph(text, style)
        _, height = paragraph.wrap(width, self.height)
        paragraph.drawOn(self.canvas, x, self.height - y - height)
        return y + float(height)

    def section(self, x: float, y: float, width: float, heading: str, paragraphs: Sequence[str]) -> float:
        """Draw a heading with paragraphs below; return how far down they reach."""
        self.text(x, y + 9, heading, font=BOLD, size=9.5, color=ACCENT)
        y += 13
        for text in paragraphs:
            y = self.paragraph(x, y, width, text) + 2.5
        return y

    def words(self, words: Sequence[str], *, columns: int, x: float, y: float, width: float) -> None:
        """Draw numbered words, down the columns; each number stands right before its word."""
        rows = -(-len(words) // columns)
        for place, word in enumerate(words):
            column, row = divmod(place, rows)
            left, line = x + column * width / columns, y + row * 20
            number = str(place + 1)
            self.canvas.setFont(BODY, 8.5)
            shift = 12 - self.canvas.stringWidth(number, BODY, 8.5)
            self.text(left + shift, line, number, size=8.5, color=MUTED)
            self.text(left + 17, line, word, font=MONO_BOLD, size=12.5)

    def qr(self, text: str, *, x: float, y: float, size: float) -> None:
        """Draw a QR code as one vector shape, with its quiet zone inside of ``size``."""
        import segno

        matrix = segno.make(text, error="m", micro=False).matrix
        module = size / (len(matrix) + 2 * _QUIET_MODULES)
        top = self.height - y - _QUIET_MODULES * module
        self.canvas.setFillColor("#ffffff")
        self.canvas.rect(x, self.height - y - size, size, size, stroke=0, fill=1)
        path = self.canvas.beginPath()
        for row, line in enumerate(matrix):
            for start, end in _find_runs(line):
                left, width = x + (_QUIET_MODULES + start) * module, (end - start) * module
                path.rect(left, top - (row + 1) * module, width, module * (1 + _MODULE_OVERLAP))
        self.canvas.setFillColor("#000000")
        self.canvas.drawPath(path, stroke=0, fill=1)

    def record(self, record: str, note: str) -> float:
        """Draw a record at the foot of the page, as a QR code and as small text; return where it begins."""
        size = max(_RECORD_SIZE, _RECORD_SIZE * (len(record) / _RECORD_CHARS) ** 0.5)
        top = self.height - MARGIN - size
        self.rule(MARGIN, top - 6, self.inner_width)
        self.qr(record, x=self.width - MARGIN - size, y=top, size=size)
        width = self.inner_width - size - 10
        self.text(MARGIN, top + 9, "For the computer: no secret in here", font=BOLD, size=8, color=MUTED)
        y = self.paragraph(MARGIN, top + 13, width, note, size=7.5, leading=9.5) + 3
        chars = int(width // (_RECORD_FONT_SIZE * 0.6))  # Courier is 0.6 em wide
        for start in range(0, len(record), chars):
            y += _RECORD_FONT_SIZE + 1
            self.text(MARGIN, y, record[start : start + chars], font=MONO, size=_RECORD_FONT_SIZE)
        return float(top - 6)


def draw(paper: Paper, title: str, created: "datetime", draw_page: Callable[[Sheet], None]) -> bytes:
    """Draw one page into a PDF; the same arguments give the same bytes."""
    from reportlab.pdfgen.canvas import Canvas

    buffer = io.BytesIO()
    canvas = Canvas(buffer, pagesize=paper.value, invariant=1, lang="en")
    canvas.setTitle(title)
    canvas.setAuthor("Solekey")
    canvas.setSubject("")
    canvas.setDateFormatter(lambda *_: created.strftime("D:%Y%m%d%H%M%SZ"))
    draw_page(Sheet(canvas, *paper.value))
    canvas.showPage()
    canvas.save()
    return buffer.getvalue()


def to_printable(text: str) -> str:
    """Spell what the standard fonts do not have as escapes."""
    return text.encode("ascii", "backslashreplace").decode()


def _find_runs(line: Sequence[int]) -> list[tuple[int, int]]:
    """Find where dark modules stand together: (first, one past the last)."""
    runs: list[tuple[int, int]] = []
    for place, dark in enumerate(line):
        if dark and runs and runs[-1][1] == place:
            runs[-1] = (runs[-1][0], place + 1)
        elif dark:
            runs.append((place, place + 1))
    return runs

"""The report says what was looked at and found, loads nothing, and takes nothing of a log for markup."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pypdf
import pytest

from solekey.audit import Pin, Tables, verify_log
from solekey.audit.catalogue import LIMITS
from solekey.audit.document import collect_contents, write_html, write_pdf
from solekey.audit.document.contents import Listing
from tests.support.protocol.keyring import ACCOUNT, USER
from tests.support.protocol.story import tell_whole
from tests.support.repository import ROOT
from tests.unit.client.audit.test_command import run

_STRAIGHT = {0x201C: '"', 0x201D: '"', 0x2019: "'"}  # Typst sets quotes as a printer would
HOSTILE = '"><script>alert(1)</script>#panic("x")#eval("1")\\ $x$ \u202e[link](javascript:1)'


@pytest.fixture(scope="module")
def collect(tmp_path_factory):
    def make(records, pins=None):
        folder = tmp_path_factory.mktemp("audit")
        verify_log(records, pins, tables=folder / "audit.duckdb")
        with Tables(folder / "audit.duckdb") as tables:
            return collect_contents(tables)

    return make


@pytest.fixture(scope="module")
def honest(collect):
    return collect([event.raw for event in tell_whole()], {ACCOUNT: Pin(USER.public)})


@pytest.fixture(scope="module")
def torn(collect):
    log = [event.raw for event in tell_whole()]
    return collect([*log[:9], log[9].replace(b'"seq":', b'"' + b"x" * 40 + b'":0,"seq":', 1), *log[10:]])


class Page(HTMLParser):
    """What a browser would load or run, and the text of a page."""

    def __init__(self, path):
        super().__init__()
        self.loaded, self.scripts, self.text = [], 0, ""
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        self.scripts += tag == "script" or any(name.startswith("on") for name, _ in attributes)
        self.loaded += [value for name, value in attributes if name in {"src", "href"}]

    def handle_data(self, data):
        self.text += data


def read_pdf(path):
    reader = pypdf.PdfReader(path)
    return reader, "".join(page.extract_text() for page in reader.pages)


def squeeze(text):
    """A text without what setting it adds: blanks, line ends, places to break."""
    return re.sub(r"[\s\u200b]+", "", text).translate(_STRAIGHT)


def write(contents, tmp_path):
    write_html(contents, tmp_path / "report.html")
    write_pdf(contents, tmp_path / "report.pdf")
    return Page(tmp_path / "report.html"), *read_pdf(tmp_path / "report.pdf")


@pytest.fixture(scope="module")
def written(honest, tmp_path_factory):
    return write(honest, tmp_path_factory.mktemp("written"))


def test_a_clean_log(honest, written):
    page, reader, text = written
    for said in map(squeeze, (page.text, text)):
        assert "Clean" in said
        assert dict(honest.subject)["SHA-256 of the log"] in said
        assert all(squeeze(limit) in said for limit in LIMITS)
        assert all(str(row["check"]) in said for row in (*honest.coverage, *honest.not_run))
        assert str(honest.covert["bits"]) in said
        assert all(squeeze(name) in said for name in honest.covert["bits_by_field"])
    assert honest.covert["bits"] > 0
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]  # a screen reader finds its structure
    assert reader.trailer["/Root"]["/Lang"] == "en"


def test_the_findings_stand_before_what_was_checked_and_users_alone_are_counted(honest, written):
    page, _, text = written
    for said in map(squeeze, (page.text, text)):
        titles = ("What was looked at", "Findings", "What was checked")
        places = [said.index(squeeze(title)) for title in titles]
        assert places == sorted(places)
    assert honest.accounts == {"vouched for": 1}


def test_a_page_loads_nothing(written):
    page, *_ = written
    assert page.scripts == 0
    assert page.loaded
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.loaded)


def test_violations_are_named_with_their_event(torn, tmp_path):
    page, _, text = write(torn, tmp_path)
    assert torn.verdict == "violations"
    assert torn.findings.rows
    for said in (page.text, text):
        assert "Violations" in said
        assert all(str(row["code"]) in squeeze(said) for row in torn.findings.rows)


def test_an_empty_log_is_reported_too(collect, tmp_path):
    page, _, text = write(collect([]), tmp_path)
    assert "Cannot tell" in page.text
    assert "Cannot tell" in text


def test_nothing_of_a_log_is_markup(torn, tmp_path):
    row = {**torn.findings.rows[0], "detail": HOSTILE, "account": HOSTILE, "topic": HOSTILE}
    hostile = replace(torn, findings=Listing([row], 1), subject=[("Log", HOSTILE)], doubts=[HOSTILE])
    page, _, text = write(hostile, tmp_path)
    assert page.scripts == 0
    assert page.text.count(HOSTILE) >= 3
    assert "alert(1)" in text
    assert '#panic("x")#eval("1")' in squeeze(text)


def test_what_is_too_long_is_counted(torn, tmp_path):
    many = replace(torn, findings=Listing(torn.findings.rows, 5_000))
    page, _, text = write(many, tmp_path)
    left = 5_000 - len(torn.findings.rows)
    assert squeeze(f"{left} more of 5000") in squeeze(page.text)
    assert squeeze(f"{left} more of 5000") in squeeze(text)


@pytest.mark.parametrize("time", ["9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z"])
def test_times_that_are_impossible_stop_no_report(collect, tmp_path, time):
    """One unsigned field of the operator's must not take the report away when it is needed."""
    log = [event.raw for event in tell_whole()]
    last = max(index for index, raw in enumerate(log) if b'"stream":"auth"' in raw)
    log[last] = re.sub(rb'"time":"[^"]*"', b'"time":"' + time.encode() + b'"', log[last])
    contents = collect(log)
    write_html(contents, tmp_path / "report.html")
    write_pdf(contents, tmp_path / "report.pdf")
    assert contents.growth
    assert "TIM-" in Page(tmp_path / "report.html").text
    assert pypdf.PdfReader(tmp_path / "report.pdf").pages


def test_the_same_contents_give_the_same_bytes(honest, tmp_path):
    for name in ("one", "two"):
        write_pdf(honest, tmp_path / f"{name}.pdf")
        write_html(honest, tmp_path / f"{name}.html")
    assert (tmp_path / "one.pdf").read_bytes() == (tmp_path / "two.pdf").read_bytes()
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_the_limits_are_those_of_the_spec():
    spec = (ROOT / "spec" / "audit.md").read_text()
    section = spec.partition("## 5. What the log alone cannot tell")[2].partition("\n##")[0]
    points = section.replace("`", "").replace("*", "").split("\n- ")[1:]
    assert [" ".join(point.split()) for point in points] == list(LIMITS)


def test_the_command(tmp_path):
    log, tables = tmp_path / "events.jsonl", tmp_path / "audit.duckdb"
    log.write_bytes(b"".join(event.raw + b"\n" for event in tell_whole()))
    run("verify", log, "--tables", tables)
    for name in ("report.html", "report.pdf"):
        told = run("report", tables, tmp_path / name)
        assert told.exit_code == 0, told.output
        assert "cannot tell" in told.output
        assert (tmp_path / name).stat().st_size > 10_000
    assert run("report", tables, tmp_path / "report.docx").exit_code == 2
    told = run("report", log, tmp_path / "other.html")
    assert told.exit_code == 2
    assert "--tables" in told.output

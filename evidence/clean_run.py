"""The run that must find nothing: lives with the real client, at services as they are shipped."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from evidence.canaries import FILES_BYTES, SHORT_FILES_BYTES, Canaries, make_canaries, make_twin
from evidence.capture import capture_at_rest, capture_cores, capture_memory, capture_traffic
from evidence.channels import Channel
from evidence.client_secrets import ClientSecrets
from evidence.exchanges import Exchange, read_exchanges
from evidence.explained import Explanation, explain
from evidence.search import Captured, SearchResult, search
from evidence.server_view import find_unlisted, list_fields
from evidence.site import Site
from evidence.stored import read_store
from evidence.stored_controls import plant_unexplained
from evidence.story import Life, keep_items, live, sign_up
from evidence.twin import StepComparison, compare, plant_differences


@dataclass(frozen=True, slots=True)
class CleanRun:
    """What came of it. ``…_controls``: by their names, whether what was planted was noticed."""

    secrets: Mapping[str, bytes]
    search: SearchResult
    twin: tuple[StepComparison, ...]
    twin_controls: Mapping[str, bool]
    explanation: Explanation
    explanation_controls: Mapping[str, bool]
    fields: frozenset[str]
    unlisted_fields: tuple[str, ...]
    field_controls: Mapping[str, bool]
    exchanges: int


def run_clean(site: Site, folder: Path, *, short: bool) -> CleanRun:
    """Run it at a site that was just started."""
    captured = Captured()
    first, second = make_lives(site, folder, short=short)
    for life in (first, second):
        with life.secrets.noting():
            live(life, short=short)
    until_s = time.monotonic()
    third = _make_life(site, folder, "third", make_canaries(SHORT_FILES_BYTES))
    with third.secrets.noting():  # a life of its own: reading memory takes long, and sessions are renewed
        sign_up(third)
        keep_items(third, lambda: captured.add(capture_memory(site, Channel.MEMORY_DURING)))
    captured.add(capture_memory(site, Channel.MEMORY_AFTER))
    captured.add(capture_at_rest(site))
    lines = list(site.recorder.lines)
    captured.add(capture_traffic(lines))
    captured.add(capture_cores(site, by_gcore=not short))
    secrets = {
        f"{whose} {name}": secret
        for whose, life in (("first user's", first), ("second user's", second), ("third user's", third))
        for name, secret in list_secrets(life).items()
    }
    exchanges = read_exchanges(lines)
    store = read_store(site)
    phrases = [*first.phrases, *second.phrases, *third.phrases]
    fields = list_fields(exchanges)
    return CleanRun(
        secrets,
        search(secrets, captured),
        tuple(compare(exchanges, first, second, until_s)),
        {
            name: not all(step.same for step in compare(changed, first, second, until_s))
            for name, changed in plant_differences(exchanges, second).items()
        },
        explain(store, phrases),
        {
            name: bool(explain(changed, phrases).unexplained)
            for name, changed in plant_unexplained(store).items()
        },
        frozenset(fields),
        tuple(find_unlisted(fields)),
        _try_fields(exchanges),
        len(exchanges),
    )


def make_lives(site: Site, folder: Path, *, short: bool) -> tuple[Life, Life]:
    """Make two users whose plaintexts differ in everything but their padded sizes."""
    original = make_canaries(SHORT_FILES_BYTES if short else FILES_BYTES)
    twin = make_twin(original)
    return _make_life(site, folder, "first", original), _make_life(site, folder, "second", twin)


def _make_life(site: Site, folder: Path, name: str, canaries: Canaries) -> Life:
    (folder / name).mkdir()
    return Life(site.recorder.server, folder / name, canaries, ClientSecrets())


def list_secrets(life: Life) -> dict[str, bytes]:
    """List everything of a life that the server side must not have."""
    return life.canaries.by_name() | life.secrets.by_name()


def _try_fields(exchanges: list[Exchange]) -> dict[str, bool]:
    """Add fields that nobody has listed: the positive controls of `find_unlisted`."""
    fields = list_fields(exchanges)
    strangers = (
        "Solekey-Item-Name",
        "?name",
        "statement.body.item_name",
        "item.tags[]",
        "GET /v1/vault/names",
    )
    return {stranger: stranger in find_unlisted({*fields, stranger}) for stranger in strangers}

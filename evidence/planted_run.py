"""The run that must find everything: the same services and client with leaks that are planted on purpose."""

from pathlib import Path

from evidence.canaries import SHORT_FILES_BYTES, make_canaries
from evidence.capture import capture_at_rest, capture_cores, capture_memory, capture_traffic
from evidence.channels import Channel
from evidence.clean_run import list_secrets
from evidence.client_secrets import ClientSecrets
from evidence.plants import PLANTS, Control, careless_client, judge
from evidence.search import Captured, search
from evidence.site import Site, derive_plant_variables
from evidence.story import Life, keep_items, sign_up


def run_planted(site: Site, folder: Path, *, short: bool) -> list[Control]:
    """Start the services anew with the leaks, and search for one user's secrets in what they leave.

    Memory is that of our own processes: nothing is planted in the others.
    """
    site.restart(derive_plant_variables(site))
    passed = len(site.recorder.lines)
    (folder / "careless").mkdir()
    life = Life(site.recorder.server, folder / "careless", make_canaries(SHORT_FILES_BYTES), ClientSecrets())
    plants = tuple(plant for plant in PLANTS if plant.channel in find_channels(site))
    captured = Captured()
    with life.secrets.noting(), careless_client(lambda: list_secrets(life), plants):
        sign_up(life)
        keep_items(
            life, lambda: captured.add(capture_memory(site, Channel.MEMORY_DURING, services_only=True))
        )
    captured.add(capture_memory(site, Channel.MEMORY_AFTER, services_only=True))
    captured.add(capture_at_rest(site))
    captured.add(capture_traffic(site.recorder.lines[passed:]))
    captured.add(capture_cores(site, by_gcore=not short))
    wanted = {plant.secret for plant in plants}
    secrets = {name: secret for name, secret in list_secrets(life).items() if name in wanted}
    return judge(plants, search(secrets, captured))


def find_channels(site: Site) -> set[Channel]:
    """Find the channels that a site has: the embedded platform has no metrics, and no proxy or broker whose
    logs to read.
    """
    absent = {Channel.OTHER_LOGS} - site.files.keys()
    return set(Channel) - absent - (set() if site.metrics else {Channel.METRICS})

"""What describes an item, and the version that an edit is based on, as options."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def _parse_attributes(
    context: click.Context, parameter: click.Parameter, values: tuple[str, ...]
) -> Mapping[str, str] | None:
    del context, parameter
    if not values:
        return None
    pairs = [value.partition("=") for value in values]
    for name, equals, _ in pairs:
        if not equals or not name:
            raise click.BadParameter("expected NAME=VALUE, such as room=kitchen")
    attributes = {name: text for name, _, text in pairs}
    if len(attributes) != len(pairs):
        raise click.BadParameter("a name is given twice")
    return attributes


_DESCRIPTION: Final = (
    click.option("--type", "kind", metavar="TYPE", help="What the content is, such as text/plain."),
    click.option("--tag", "tags", multiple=True, help="A tag; may be given several times."),
    click.option("--no-tags", is_flag=True, help="The item is to have no tags."),
    click.option(
        "--attribute",
        "attributes",
        multiple=True,
        callback=_parse_attributes,
        metavar="NAME=VALUE",
        help="An attribute; may be given several times.",
    ),
    click.option("--no-attributes", is_flag=True, help="The item is to have no attributes."),
)


def description_options(command: F) -> F:
    """Add the options that describe an item; tags or attributes that are given replace all that it has."""
    for option in reversed(_DESCRIPTION):
        command = option(command)
    return command


def if_version_option(command: F) -> F:
    """Add ``--if-version``."""
    return click.option(
        "--if-version",
        "base_version",
        type=click.IntRange(min=0),
        metavar="N",
        help="Do it only if the item is in version N, as `get` or `list` has shown it; 0: there is none yet.",
    )(command)


def choose_tags(tags: tuple[str, ...], *, no_tags: bool) -> tuple[str, ...] | None:
    """Choose the tags of an item; None: it keeps what it has."""
    if tags and no_tags:
        raise click.UsageError("give either --tag or --no-tags")
    return () if no_tags else tags or None


def choose_attributes(
    attributes: Mapping[str, str] | None, *, no_attributes: bool
) -> Mapping[str, str] | None:
    """Choose the attributes of an item; None: it keeps what it has."""
    if attributes and no_attributes:
        raise click.UsageError("give either --attribute or --no-attributes")
    return {} if no_attributes else attributes

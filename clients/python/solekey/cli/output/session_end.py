"""Until when this device stays logged in, in words. Spec: rate-limits.md §1."""

from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from solekey.account.session import Session


def find_end(session: "Session") -> str | None:
    """Find when the session ends whatever is done, as the verified events say."""
    from solekey.errors import NotLoggedInError

    try:
        own = session.connection.tokens.session
    except NotLoggedInError:
        return None  # a profile that is looked at without its server
    opened = session.streams.auth.sessions.get(own)
    return str(opened.expires_at) if opened is not None else None


def describe_end(session: "Session") -> str:
    """Describe it by this computer's clock: until 21:57, or with its day where it is another one."""
    end = find_end(session)
    if end is None:
        return "until the session ends"
    local = datetime.fromisoformat(end).astimezone()
    today = session.connection.runtime.now().astimezone().date()
    return f"until {local:%H:%M}" if local.date() == today else f"until {local:%Y-%m-%d %H:%M}"

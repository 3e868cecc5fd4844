"""A platform for the tests of client apps: the real services, embedded, with TLS, in a folder of their own.

::

    with Platform() as platform:
        user = platform.sign_up("laptop")                     # an account, founded; its words are user.phrase
        with solekey.open("laptop", key=user.make_key(), on_step_up=user.make_code) as account:
            account.items.put("notes", "hello")
        phone = user.log_in("phone")                          # another device, pending

With pytest, ``pytest_plugins = ["solekey.testing.fixtures"]`` gives the fixtures ``solekey_platform`` and
``solekey_account``. The services come with the extra: ``pip install 'solekey[testing]'``. They run in a
process of their own, started in a second or two: in the tests' process they would change how threads work.
"""

from solekey.testing.platform import Platform, PlatformError
from solekey.testing.user import User

__all__ = ["Platform", "PlatformError", "User"]

"""Parts of the auth service by themselves, built as its Api builds them."""

from solekey_auth.config import AuthConfig
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_service.kernel import Kernel


def make_limiter(kernel: Kernel) -> RateLimiter:
    config = kernel.config
    assert isinstance(config, AuthConfig)
    return RateLimiter(config.open_operator_key(), config.rate_limits)

"""Parts of the auth service by themselves, built as its Api builds them."""

from solekey_auth.config import AuthConfig
from solekey_auth.factors.factors import Factors
from solekey_auth.factors.passkeys import find_relying_party
from solekey_auth.rate_limits.limiter import RateLimiter
from solekey_service.kernel import Kernel


def make_limiter(kernel: Kernel) -> RateLimiter:
    config = kernel.config
    assert isinstance(config, AuthConfig)
    return RateLimiter(config.open_operator_key(), config.rate_limits)


def make_factors(kernel: Kernel) -> Factors:
    config = kernel.config
    assert isinstance(config, AuthConfig)
    party = find_relying_party(config.origin, config.totp_issuer)
    return Factors(kernel, config.limits, config.open_operator_key(), make_limiter(kernel), party)

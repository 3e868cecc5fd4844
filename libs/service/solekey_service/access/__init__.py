"""Who may call what: tokens, DPoP proofs, and the guard that admits a request. Spec: tokens.md §1, §3, §5.

Map
    level.py    Access: what an entry point requires of its caller
    tokens.py   mint_access_token, verify_access_token (RFC 9068 at+jwt, EdDSA)
    dpop.py     verify_dpop_proof (RFC 9449 §4.3)
    nonce.py    Nonces: what proofs without a token must carry (RFC 9449 §8, §9)
    guard.py    Guard.admit: token, proof, session, device and freshness in order
    used_proof.py       UsedProofs, ProofNote: proofs of all others, noted with what their requests write
    seen_proofs.py      SeenProofs: proofs of reads that were used, in memory
    request_limiter.py  RequestLimiter: how many requests one account may make
    load_limit.py       LoadLimit: how many requests a process works on at a time

All above guard.py are pure: time and keys are arguments (contract ``pure-access``).
"""

from solekey_service.access.guard import Guard
from solekey_service.access.level import Access
from solekey_service.access.tokens import AccessClaims, mint_access_token
from solekey_service.http.caller import Caller, DpopProof

__all__ = ["Access", "AccessClaims", "Caller", "DpopProof", "Guard", "mint_access_token"]

"""What an auditor checks beyond the streams' folds: facts that the operator alone states. Spec: audit.md §3.

``evidence`` what a check looks at · ``sessions`` ``factors`` ``signing_keys`` what auth states ·
``revocations`` what a revoked device may still do · ``times`` clocks · ``heads`` what clients and users have
seen.
"""

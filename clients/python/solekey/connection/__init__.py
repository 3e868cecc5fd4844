"""Speaking to the services: `transport` HTTP and TLS, `dpop` proofs, `login` before there is a token,
`connection` with one, `passkeys` and the `security_keys` that keep them.

Spec: conventions.md §7, authentication.md, tokens.md.
"""

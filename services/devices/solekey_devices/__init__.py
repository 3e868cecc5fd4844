"""The devices service: account public keys, device certificates and the trust list."""

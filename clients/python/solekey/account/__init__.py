"""An account and its devices: `enrolment` signs up and logs in, `session` is this device logged in, `devices`
certifies and lists.

Spec: authentication.md, factors.md, tokens.md, devices.md.
"""

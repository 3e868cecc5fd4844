"""A server of the S3 API, and a proxy before it that fails as networks and clouds do.

The server is moto's, a process of its own; ``SOLEKEY_TEST_S3`` (a URL such as ``http://127.0.0.1:7070``, with
``AWS_ACCESS_KEY_ID`` and ``AWS_SECRET_ACCESS_KEY``) names another one that must pass the same tests.
"""

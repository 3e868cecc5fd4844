"""A verified log as tables on disk, which need not fit into memory. Install ``solekey[audit]``.

``columns`` what the tables hold · ``rows`` rows of one account, made while its events are there ·
``writing`` rows into one database · ``tables`` reading it, with pandas.
"""

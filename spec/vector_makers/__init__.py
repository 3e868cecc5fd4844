"""The vectors of each noun of the spec, from fixed inputs.

Nothing here imports Solekey's own code: what a vector expects is computed from the pages with `cryptography`
alone (`primitives`), or written down by hand. Run by ``spec/generate_vectors.py``.
"""

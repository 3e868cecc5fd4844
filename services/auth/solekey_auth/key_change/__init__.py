"""Another operator key: noted at a start, and then what derived from the former one is moved to it.

Spec: authentication.md §7.1.
"""

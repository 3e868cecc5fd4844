"""Tampering with evidence: every way to lie in a log that we know. Spec: audit.md §6.

The attacker is the strongest operator: he holds all keys of the server, recomputes every hash, renumbers, and
may write the whole log again as if he had lied at the time of writing, with honest clients that sign over
the lie. Some classes have a client's key besides: of a stolen device, or of a client that helps him.

Map: ``people`` ``stories`` what honestly happened · ``writing`` a story as records · ``tampering`` a class ·
``classes`` the classes, by family · ``judging`` what came of each · ``__main__`` the table.
"""

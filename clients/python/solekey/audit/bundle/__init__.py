"""A bundle: a log with its places on the bus, in files that a manifest names. Spec: audit-bundle.md.

``layout`` names and limits · ``frames`` records as bytes · ``parts`` compressed files of them · ``manifest``
what a bundle holds · ``bus_state`` the state of the bus as JSON · ``container`` a folder or a tar file ·
``reader`` a bundle as a log · ``joined`` several that continue each other · ``writer`` the export ·
``unfinished`` what an interrupted export left.

Whoever made a bundle may be hostile. Nothing is unpacked to disk, no name leads out of it, and what is read
is bounded by what the manifest states, which is bounded itself.
"""

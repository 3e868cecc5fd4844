"""Gives the guard's tests a rig on each engine."""

from kernels import rig

__all__ = ["rig"]

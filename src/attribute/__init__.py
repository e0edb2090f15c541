"""Whose failure was it: the vendor's, ours, a bottleneck of ours, or not knowable from the evidence."""

__version__ = "0.1.0"

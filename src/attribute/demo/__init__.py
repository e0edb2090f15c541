"""A service and a vendor on loopback, faults injected from outside, and every verdict held against the injection."""

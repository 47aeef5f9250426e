"""Checks of what pdneuro assumes about the services, and the first use of a token."""

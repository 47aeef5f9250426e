"""Tests of the real services: off by default, they need tokens and a network."""

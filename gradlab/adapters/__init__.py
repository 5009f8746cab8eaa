"""Adapters.

The record and the verdicts of the built-in engine for trainings in other frameworks.
"""

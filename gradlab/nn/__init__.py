"""The built-in engine, NumPy only.

It tells an observer what happened and knows nothing of recording.
"""

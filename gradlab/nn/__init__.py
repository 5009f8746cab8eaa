"""The built-in engine, NumPy only.

It calls an observer with what happened and knows nothing of recording.
"""

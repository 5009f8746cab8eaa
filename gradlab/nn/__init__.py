"""The built-in engine, NumPy only: it tells an observer what happened and knows nothing of
recording.
"""

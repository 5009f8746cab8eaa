"""What a store of cells refuses, in words."""

from __future__ import annotations

import re


def without_password(url: str) -> str:
    """Return a URL without the name and password that may stand in it."""
    return re.sub(r"(?<=://)[^/@]*@", "", url)


def missing(error: ImportError) -> str:
    """Say what to install: fsspec's own errors name the package ("Install s3fs to access S3")."""
    found = re.search(r"nstall ([\w-]+) ", str(error))
    package = found[1] if found else "what it names"
    return f"{error}; run, here and on every worker: pip install {package}"


def reason(error: Exception) -> str:
    """Say why a store refused, with what to do where that is known."""
    kind = type(error).__name__
    told = isinstance(error, OSError) and error.strerror
    text = " ".join((told or str(error)).split()) or kind
    if "Credentials" in kind or "credentials" in text:
        return f"{text}; give this machine credentials, such as AWS_PROFILE for S3"
    if isinstance(error, PermissionError):
        return f"{text}; it takes the rights to list, read, write and delete there"
    if isinstance(error, FileNotFoundError):
        return f"{text}; make the bucket or folder first"
    if isinstance(error, NotImplementedError):
        return "nothing can be written there; give a store such as s3://bucket/folder"
    if isinstance(error, ValueError) and "rotocol" in text:
        return f"{text}; give a folder, or a URL that fsspec knows, such as s3://bucket/folder"
    return text if told else f"{text} ({kind})"

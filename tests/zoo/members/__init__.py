"""One file a family of models; each lists its trainings in `MEMBERS`."""

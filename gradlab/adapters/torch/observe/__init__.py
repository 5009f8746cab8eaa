"""What is hung on a model while an iteration is measured."""

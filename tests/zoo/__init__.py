"""Small trainings of models that nobody here designed, healthy and faulty, each label proved by its own score."""

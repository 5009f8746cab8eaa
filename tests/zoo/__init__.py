"""Small trainings of public models, healthy and faulty; its own score proves each label."""

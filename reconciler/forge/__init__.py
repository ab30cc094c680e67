"""Steps of a pipeline that ask GitHub or GitLab: comments, kept plans, the issue of drift. Run as ``python -m reconciler.forge``."""

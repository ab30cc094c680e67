"""The shipped pipelines, run step by step against a git server and the APIs of GitHub and GitLab, both on this machine."""

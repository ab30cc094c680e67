"""Plans and drift turned into Markdown for the comments of a review."""

from reconciler.render.markdown.drift import drift_markdown as drift_markdown
from reconciler.render.markdown.failure import failure_markdown as failure_markdown
from reconciler.render.markdown.plan import plan_markdown as plan_markdown

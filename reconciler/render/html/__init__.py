"""Documents of plans and of drift turned into one self-contained HTML file each; nothing is judged here, only shown."""

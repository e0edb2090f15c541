"""Every rewrite is a plan first: made dry, approved by its hash, applied in steps, and undone by its inverse."""

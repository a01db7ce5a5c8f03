"""Pure Beam transforms and plain functions of the job; nothing here knows of `pipeline`.

Import from the modules: `grid`, `filter`, `results` and `escape` do without Beam, so that
flags are checked and errors shown before Beam is loaded.
"""

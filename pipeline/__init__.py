"""The job: options, configuration, checks, graph, runner, and local services."""

__version__ = "0.1.0"

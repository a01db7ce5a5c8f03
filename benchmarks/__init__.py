"""What the job costs and how fast it is, measured; see docs/benchmarks.md."""

"""Real services on one machine: Java, its modules, Kafka, and the child processes."""

"""The systems that the job is measured against, a file each; see protocol.py."""

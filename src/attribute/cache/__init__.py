"""What was already read, kept on the disk: a second run reads what is new. Losing it costs time and nothing else."""

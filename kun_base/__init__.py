"""What both programs need, and nothing else."""

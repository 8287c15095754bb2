"""What every benchmark shares: figures with their yardsticks, CPU time of processes, the table and the plots."""

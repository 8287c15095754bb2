"""One practical-exam rig as a machine: buttons, state, memory over a power cut, records and status block."""

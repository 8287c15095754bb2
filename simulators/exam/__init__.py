"""Who sits which exam on which rig, and what each candidate does there, drawn from one seed before it begins."""

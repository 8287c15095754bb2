"""Every rig looked after for itself (P8): its task, its line or broker, its pauses, and what is known of it now."""

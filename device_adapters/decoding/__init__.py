"""From the bytes of a rig to what they say. Pure: gateway and server decode with the same files (P4)."""

"""The shared log of scores: its format, its durable form on disk, its offline verification."""

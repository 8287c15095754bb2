"""The durable signed log on disk: append, recovery, generations, fsck; and the house's Clock and failpoints."""

"""From the log to the server: uploads until each entry has its receipt, and the unlogged word that the box is alive."""

"""What a profile may say: its tables, types, orders and rules, and the linter that holds files to them. Pure."""

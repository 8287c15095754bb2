"""What people see of the server: accounts, pages, JSON API. Reads projections and evidence; never writes evidence."""

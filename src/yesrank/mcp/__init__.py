"""What agents are offered, in the Model Context Protocol: search in a person's indexes, ranking, and reading on."""

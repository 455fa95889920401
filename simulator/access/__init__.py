"""Who may do what: users, tokens, roles and access control lists as PVE evaluates them."""

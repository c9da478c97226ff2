"""The database from outside: its roles, their grants, and the stamp that says which schema it holds."""

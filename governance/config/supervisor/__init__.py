"""`bursar up`: one process that prepares an installation on one machine, starts everything and keeps it running."""

"""Pictures, tables and pages made from plain data. Nothing here reads a run folder or knows a method."""

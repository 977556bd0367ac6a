"""Files changed so that nothing is lost: whole or not at all, under journals, one component of a path at a time."""

"""Which files carry containers, where in them, and what ties the two together (SPEC JF-HST)."""

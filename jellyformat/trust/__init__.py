"""Who signed what: SSH signatures made and checked, the signers that a user allows, signatures of commits."""

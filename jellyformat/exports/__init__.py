"""What a snapshot gives without touching a repository: files, bundles, patches, a page, git on a copy."""

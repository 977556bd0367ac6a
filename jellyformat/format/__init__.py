"""The format: bytes in, values out, and back; nothing here opens a file (jellyformat/README.md says which parts)."""

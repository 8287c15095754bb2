"""What an installer writes: read, checked in words, compared with what was there before. Opens no other file."""

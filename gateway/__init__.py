"""From observation to stored receipt: the program on the box beside the rigs."""

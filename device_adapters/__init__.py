"""From wire to observation: rigs are read here, by profiles that are data.

Knows rigs; knows no log, no gateway and no server. The rooms, each importing only those below it:

- `modbus`, `mqtt`, `sparkplug`, `http`: the wires; they bring a rig's memory
- `streaming`: what holds for rigs that say each record once
- `messages`: what holds for rigs that send messages, whatever carries them
- `latching`: what holds for latched records whatever wire they come over
- `decoding`: from bytes to what they say; `language`: what a profile may say. Both pure, so that the server can decode
  again what a gateway decoded (P4).

`factory` puts a profile, a wire and the rules together; `contract` is what the gateway sees of it.
"""

"""From wire to observation: rigs are read here, by profiles that are data.

Knows rigs; knows no log, no gateway and no server. The decode and profile modules import no wire library, so that the
server can decode again what a gateway decoded (P4).
"""

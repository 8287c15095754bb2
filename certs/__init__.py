"""Who is who: keys, the two-level CA and the TLS contexts of both sides.

Owns every private-key file's mode, every certificate's extensions and every TLS context of the product.
Never holds a key inside the package, never opens a socket, knows nothing of logs, rigs or servers.

    root (offline) -> issuing CA -> server certificate   (names and addresses)
                                 -> gateway certificate  (kaofen://<domain>/gw/<id>)

Follows RFC 5280 as OpenSSL's X509_V_FLAG_X509_STRICT reads it.
"""

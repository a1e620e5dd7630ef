"""Certificates to trust beside the system's, as one file: what programs take such a file for is all that they trust."""

import os

SYSTEM_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def write_certificates(bundle: str, path: str) -> str:
    with open(path, "w", encoding="utf-8") as file:
        file.write(bundle.strip() + "\n")
        if os.path.isfile(SYSTEM_CERTIFICATES):
            with open(SYSTEM_CERTIFICATES, encoding="utf-8") as system:
                file.write(system.read())
    return path

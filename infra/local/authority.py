"""The local cloud's certificate authority: what it signs is a real certificate that this machine does not trust."""

from __future__ import annotations

import datetime
import os
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = ["Authority"]

_DAYS = 395
"""As long as AWS's are valid: https://docs.aws.amazon.com/acm/latest/userguide/acm-certificate.html (13 months)."""
_SUBJECT = 64
"""Characters of a common name: https://www.rfc-editor.org/rfc/rfc5280#appendix-A.1 (ub-common-name). Clients go by the
alternative names, which hold the whole."""
_CERTIFICATE, _KEY = "authority.pem", "authority.key"


@dataclass(frozen=True)
class Authority:
    """A self-signed certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @staticmethod
    def kept_in(folder: Path) -> Authority:
        """The authority of a folder, made at first use; the key is readable for its owner only."""
        certificate, key = folder / _CERTIFICATE, folder / _KEY
        if not certificate.exists():
            folder.mkdir(parents=True, exist_ok=True)
            made = Authority.new()
            with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(_pem(made.key))
            certificate.write_bytes(made.pem)
        loaded = serialization.load_pem_private_key(key.read_bytes(), password=None)
        assert isinstance(loaded, ec.EllipticCurvePrivateKey)
        return Authority(x509.load_pem_x509_certificate(certificate.read_bytes()), loaded)

    @staticmethod
    def new() -> Authority:
        """One that nobody has seen before."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Quartermaster local cloud")])
        usage = x509.KeyUsage(
            digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        builder = _builder(name, name, key.public_key(), days=3650)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(usage, critical=True)
        return Authority(builder.sign(key, hashes.SHA256()), key)

    @property
    def pem(self) -> bytes:
        """What a client must trust."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, names: tuple[str, ...]) -> tuple[bytes, bytes]:
        """(certificate, key) as PEM for these DNS names, the first of which is its subject."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:_SUBJECT])])
        builder = _builder(subject, self.certificate.subject, key.public_key(), days=_DAYS)
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        builder = builder.add_extension(alternatives, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(authority, critical=False)
        signed = builder.sign(self.key, hashes.SHA256())
        return signed.public_bytes(serialization.Encoding.PEM), _pem(key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, *, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks of clients may be a little behind.
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

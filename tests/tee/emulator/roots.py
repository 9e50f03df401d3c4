"""Keys and certificates of the emulated platforms, kept in one directory so that verifiers find them.

Everything there is for tests: private keys lie beside the certificates.
"""

import datetime
import os

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID


def der(tag, *parts):
    """One DER element; numbers become INTEGER contents"""
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + body


def der_integer(number):
    """INTEGER, not negative"""
    return der(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def der_oid(dotted):
    """OBJECT IDENTIFIER"""
    first, second, *rest = (int(part) for part in dotted.split("."))
    out = bytes([first * 40 + second])
    for part in rest:
        group = [part & 0x7F]
        while part >> 7:
            part >>= 7
            group.insert(0, 0x80 | part & 0x7F)
        out += bytes(group)
    return der(6, out)


def raw_signature(signature, size, order="big"):
    """r and s of a DER signature, each in so many bytes"""
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size, order) + s.to_bytes(size, order)


def raw_public(key, size):
    """x and y"""
    numbers = key.public_key().public_numbers()
    return numbers.x.to_bytes(size, "big") + numbers.y.to_bytes(size, "big")


class Roots:
    """The directory; what is missing there is made."""

    def __init__(self, path):
        self.path = path
        os.makedirs(path, exist_ok=True)

    def file(self, name, make):
        """Content of a file of ours"""
        path = os.path.join(self.path, name)
        if not os.path.exists(path):
            data = make()
            with open(path + ".new", "wb") as out:
                out.write(data)
            os.rename(path + ".new", path)
        with open(path, "rb") as into:
            return into.read()

    def key(self, name, kind):
        """A private key: "rsa", or a curve"""
        def make():
            made = rsa.generate_private_key(65537, 4096) if kind == "rsa" else ec.generate_private_key(kind)
            return made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())
        return serialization.load_pem_private_key(self.file(name + ".key.pem", make), None)

    def certificate(self, name, subject, key, issuer=None, extensions=(), ca=False, pss=False):
        """A certificate; issuer is (certificate, key), or None for a root"""
        def make():
            named = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject),
                               x509.NameAttribute(NameOID.ORGANIZATION_NAME, "tee-emulator")])
            start = datetime.datetime(2024, 1, 1)
            builder = (x509.CertificateBuilder().subject_name(named).public_key(key.public_key())
                       .issuer_name(issuer[0].subject if issuer else named)
                       .serial_number(x509.random_serial_number())
                       .not_valid_before(start).not_valid_after(start + datetime.timedelta(days=365 * 30))
                       .add_extension(x509.BasicConstraints(ca, None), True))
            for oid, value in extensions:
                builder = builder.add_extension(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False)
            signer = issuer[1] if issuer else key
            return sign(builder, signer, pss).public_bytes(serialization.Encoding.PEM)
        return x509.load_pem_x509_certificate(self.file(name + ".pem", make))


def sign(builder, key, pss):
    """
    The certificate. The library of Debian 12 cannot ask for RSA-PSS here: it signs with PKCS #1 and the
    two algorithm identifiers and the signature are exchanged.
    """
    digest = hashes.SHA384() if pss else hashes.SHA256()
    made = builder.sign(key, digest)
    if not pss:
        return made
    sha384 = der(0x30, der_oid("2.16.840.1.101.3.4.2.2"), der(5))
    pss_id = der(0x30, der_oid("1.2.840.113549.1.1.10"), der(
        0x30, der(0xA0, sha384), der(0xA1, der(0x30, der_oid("1.2.840.113549.1.1.8"), sha384)),
        der(0xA2, der_integer(48))))
    pkcs1_id = der(0x30, der_oid("1.2.840.113549.1.1.12"), der(5))
    body = made.tbs_certificate_bytes
    header = len(body) - int.from_bytes(body[2:4], "big")    # 30 82 LL LL
    body = der(0x30, body[header:].replace(pkcs1_id, pss_id, 1))
    signature = key.sign(body, padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())
    return x509.load_der_x509_certificate(der(0x30, body, pss_id, der(3, b"\0", signature)))

#!/usr/bin/env python3
"""Verifies evidence as a relying party would, sharing no code with the agent nor with tee-emulator.

  verify.py tdx FILE --root PEM              a quote of version 4 or 5
  verify.py snp FILE --root PEM [--certs F]  a report by VCEK or VLEK; certs: a table of GUIDs, or PEM or DER certificates
  verify.py csv FILE --root F [--certs F]    a report; root: HRK; certs: HSK and CEK

FILE holds the raw bytes, or the JSON of the evidence. --report-data HEX is what must be bound (zeros may
be left out at the end). Prints the claims as NAME VALUE lines; exit status 1 and the reason if a check fails.
"""

import argparse
import base64
import hashlib
import hmac
import json
import os
import struct
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature


class Wrong(Exception):
    """Why it does not hold"""


def need(good, why):
    """One check"""
    if not good:
        raise Wrong(why)


def ecdsa(public, pair, message, digest, why, order="big"):
    """A signature given as two numbers"""
    half = len(pair) // 2
    numbers = [int.from_bytes(pair[at:at + half], order) for at in (0, half)]
    try:
        public.verify(encode_dss_signature(*numbers), message, ec.ECDSA(digest))
    except InvalidSignature:
        raise Wrong(why) from None


def issued(certificate, issuer):
    """Is it signed by that one?"""
    need(certificate.issuer == issuer.subject, f"{certificate.subject.rfc4514_string()}: another issuer")
    public = issuer.public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):    # AMD's are all RSA-PSS
            public.verify(certificate.signature, certificate.tbs_certificate_bytes,
                          padding.PSS(padding.MGF1(hashes.SHA384()), 48), hashes.SHA384())
        else:
            public.verify(certificate.signature, certificate.tbs_certificate_bytes,
                          ec.ECDSA(certificate.signature_hash_algorithm))
    except InvalidSignature:
        raise Wrong(f"{certificate.subject.rfc4514_string()}: wrong signature") from None


def pem_all(data):
    """Certificates one after the other"""
    end = b"-----END CERTIFICATE-----"
    return [x509.load_pem_x509_certificate(part[part.index(b"-----BEGIN"):] + end)
            for part in data.split(end)[:-1]]


# --- TDX


def tdx(data, root, _certs):
    """A quote that ends where the data does"""
    version, kind, tee = struct.unpack_from("<HHI", data)
    need(version in (4, 5) and kind == 2 and tee == 0x81, "not a TDX quote signed with P-256")
    place, size = (48, 584) if version == 4 else (54, struct.unpack_from("<I", data, 50)[0])
    body = data[place:place + size]
    end = place + size
    length = struct.unpack_from("<I", data, end)[0]
    need(len(data) == end + 4 + length, f"the quote has {end + 4 + length} bytes, there are {len(data)}")
    signature = data[end + 4:]
    point = ec.EllipticCurvePublicNumbers(int.from_bytes(signature[64:96], "big"),
                                          int.from_bytes(signature[96:128], "big"), ec.SECP256R1())
    ecdsa(point.public_key(), signature[:64], data[:end], hashes.SHA256(), "wrong signature of the quote")
    need(struct.unpack_from("<H", signature, 128)[0] == 6, "no report of the quoting enclave")
    enclave, by_pck = signature[134:518], signature[518:582]
    size = struct.unpack_from("<H", signature, 582)[0]
    auth = signature[584:584 + size]
    kind, size = struct.unpack_from("<HI", signature, 584 + size)
    need(kind == 5, "no certificates")
    chain = pem_all(signature[-size:].rstrip(b"\0"))
    need(len(chain) == 3, "not three certificates")
    need(enclave[320:352] == hashlib.sha256(signature[64:128] + auth).digest(), "another attestation key")
    ecdsa(chain[0].public_key(), by_pck, enclave, hashes.SHA256(), "wrong signature of the quoting enclave")
    issued(chain[0], chain[1])
    issued(chain[1], chain[2])
    issued(chain[2], chain[2])
    need(chain[2] == pem_all(root)[0], "another root")
    names = ("rtmr0", 328), ("rtmr1", 376), ("rtmr2", 424), ("rtmr3", 472), ("mrtd", 136)
    return body[520:584], {name: body[at:at + 48].hex() for name, at in names}


def tdx_json(value):
    """The quote in the JSON"""
    need(set(value) == {"cc_eventlog", "quote"}, "other keys")
    return base64.b64decode(value["quote"], validate=True), b""


# --- SEV-SNP

GUIDS = {"VCEK": "63da758de6644564adc5f4b93be8accd", "VLEK": "a8074bc2a25a483eaae639c045a0b8a1",
         "ASK": "4ab7b379bbac4fe4a02f05aef327c782", "ARK": "c0b406a4a803495297433fb6014cd0ae"}

# Where the levels of a TCB stand that certificates tell, by the number of their extension.
TCB = {"3.1": 0, "3.2": 1, "3.3": 6, "3.8": 7}
TCB_TURIN = {"3.9": 0, "3.1": 1, "3.2": 2, "3.3": 3, "3.8": 7}


def snp_certificates(data):
    """By common name, from a table, or from PEM or DER"""
    if data[:10] == b"-----BEGIN":
        found = pem_all(data)
    elif data[:1] == b"\x30":
        found = [x509.load_der_x509_certificate(data)]
    else:
        found = []
        for at in range(0, len(data), 24):
            guid, place, size = struct.unpack_from("<16sII", data, at)
            if not any(guid):
                break
            if guid.hex() in GUIDS.values():
                found.append(x509.load_der_x509_certificate(data[place:place + size]))
    return {one.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)[0].value: one for one in found}


def extension(certificate, number):
    """Raw value"""
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.3704.1." + number)
    return certificate.extensions.get_extension_for_oid(oid).value.value


def snp_chip(vek, chip_id, turin):
    """Is it this chip's? Its id has 64 bytes, or 8 since Turin."""
    size = 8 if turin else 64
    need(extension(vek, "4")[-size:] == chip_id[:size] and not any(chip_id[size:]), "another chip")


def snp(data, root, certs):
    """A report below ARK, and ASK and VCEK, or ASVK and VLEK"""
    need(len(data) == 1184, f"a report has 1184 bytes, not {len(data)}")
    need(struct.unpack_from("<I", data)[0] in (2, 3, 5) and struct.unpack_from("<I", data, 0x34)[0] == 1, "not a report")
    known = {**snp_certificates(certs), **snp_certificates(root)}
    signer = struct.unpack_from("<I", data, 0x48)[0] >> 2 & 7
    need(signer in (0, 1), "signed by no key")
    signer = ("VCEK", "VLEK")[signer]
    vek = known.get("SEV-" + signer)
    need(vek is not None, "no " + signer)
    middle = "SEV-" if signer == "VCEK" else "SEV-VLEK-"
    ask = next(one for name, one in known.items() if name in (middle + chip for chip in ("Milan", "Genoa", "Turin")))
    ark = next(one for name, one in snp_certificates(root).items() if name.startswith("ARK"))
    issued(vek, ask)
    issued(ask, ark)
    issued(ark, ark)
    pair = data[0x2A0:0x2A0 + 144]
    ecdsa(vek.public_key(), pair, data[:0x2A0], hashes.SHA384(), "wrong signature of the report", "little")
    turin = data[0x188] >= 0x1A
    if signer == "VCEK":
        snp_chip(vek, data[0x1A0:0x1E0], turin)
    for number, at in (TCB_TURIN if turin else TCB).items():
        need(int.from_bytes(extension(vek, number)[2:], "big") == data[0x180 + at], "another TCB")
    return data[0x50:0x90], {"measurement": data[0x90:0xC0].hex(), "vmpl": struct.unpack_from("<I", data, 0x30)[0],
                             "version": data[0], "signer": signer, "chip": data[0x1A0:0x1E0].hex()}


def tcb_bytes(tcb):
    """Since Turin with another level in front"""
    if tcb["fmc"] is not None:
        return bytes([tcb["fmc"], tcb["bootloader"], tcb["tee"], tcb["snp"], 0, 0, 0, tcb["microcode"]])
    return bytes([tcb["bootloader"], tcb["tee"], 0, 0, 0, 0, tcb["snp"], tcb["microcode"]])


def snp_json(value):
    """The 1184 bytes again, from the fields"""
    report = value["attestation_report"]
    out = bytearray(1184)
    for at, form, name in (
            (0, "I", "version"), (4, "I", "guest_svn"), (8, "Q", "policy"), (0x30, "I", "vmpl"),
            (0x34, "I", "sig_algo"), (0x40, "Q", "plat_info"), (0x48, "I", "key_info")):
        struct.pack_into("<" + form, out, at, report[name])
    for at, size, name in (
            (0x10, 16, "family_id"), (0x20, 16, "image_id"), (0x50, 64, "report_data"), (0x90, 48, "measurement"),
            (0xC0, 32, "host_data"), (0xE0, 48, "id_key_digest"), (0x110, 48, "author_key_digest"),
            (0x140, 32, "report_id"), (0x160, 32, "report_id_ma"), (0x1A0, 64, "chip_id")):
        need(len(report[name]) == size, f"{name}: not {size} bytes")
        out[at:at + size] = bytes(report[name])
    for at, name in ((0x38, "current"), (0x180, "reported"), (0x1E0, "committed"), (0x1F0, "launch")):
        out[at:at + 8] = tcb_bytes(report[name + "_tcb"])
    for at, name in ((0x188, "cpuid_fam_id"), (0x189, "cpuid_mod_id"), (0x18A, "cpuid_step")):
        out[at] = report[name] or 0
    for at, name in ((0x1E8, "current"), (0x1EC, "committed")):
        out[at:at + 3] = bytes(report[name][part] for part in ("build", "minor", "major"))
    for at, name in ((0x1F8, "launch_mit_vector"), (0x200, "current_mit_vector")):
        need((name in report) == (report["version"] >= 5), f"{name}: not of this version")
        struct.pack_into("<Q", out, at, report.get(name, 0))
    out[0x2A0:0x330] = bytes(report["signature"]["r"] + report["signature"]["s"])
    table, bodies = b"", b""
    chain = value["cert_chain"] or []
    for one in chain:
        guid = bytes.fromhex(GUIDS.get(one["cert_type"] if isinstance(one["cert_type"], str) else "", "ff" * 16))
        table += struct.pack("<16sII", guid, 24 * (len(chain) + 1) + len(bodies), len(one["data"]))
        bodies += bytes(one["data"])
    return bytes(out), table + bytes(24) + bodies if chain else b""


# --- CSV


def sm2(certificate, at, message, pair, why):
    """OpenSSL decides. The signer's point is at this place of its certificate, its id follows."""
    x, y = (certificate[place:place + 32][::-1] for place in (at, at + 72))
    size = struct.unpack_from("<H", certificate, at + 144)[0]
    name = certificate[at + 146:at + 146 + size].decode()
    key = bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d034200" "04") + x + y
    numbers = [int.from_bytes(pair[place:place + 72], "little") for place in (0, 72)]
    with tempfile.TemporaryDirectory() as folder:
        for file, data in ("key", key), ("signature", encode_dss_signature(*numbers)), ("data", message):
            with open(os.path.join(folder, file), "wb") as out:
                out.write(data)
        done = subprocess.run(
            ["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-keyform", "DER", "-sigfile", "signature",
             "-in", "data", "-rawin", "-digest", "sm3", "-pkeyopt", "distid:" + name],
            cwd=folder, capture_output=True, check=False)
    need(done.returncode == 0, why)


def csv(data, root, certs):
    """A report of version 1 or 2, below HRK, HSK, CEK and PEK"""
    need(len(data) in (2548, 4096), f"a report has 4096 bytes, not {len(data)}")
    data = data.ljust(4096, b"\0")
    second = not any(data[3380:]) and any(data[3252:3380])
    signed, pair, pek, chip, spare, end = (1024, 1024, 1168, 3252, 3316, 3348) if second else (
        180, 192, 336, 2420, 2484, 2516)
    mask = bytes(4) if second else data[188:192]

    def plain(part):
        return bytes(byte ^ mask[at % 4] for at, byte in enumerate(part))
    nonce = plain(data[128:144])
    if any(data[spare:end]):    # else who wrote the JSON has removed what the MAC covers
        mac = hmac.new(nonce, data[pek:end], "sm3").digest()
        need(mac == data[end:end + 32], "wrong MAC over PEK and chip")
    certificate, serial = data[pek:chip], data[chip:spare]
    if struct.unpack_from("<I", certificate, 8)[0] != 0x1002:
        certificate, serial = plain(certificate), plain(serial)
    need(struct.unpack_from("<I", certificate, 8)[0] == 0x1002, "no PEK")
    sm2(certificate, 20, data[:signed], data[pair:pair + 144], "wrong signature of the report")
    if certs:
        hsk, cek = certs[:832], certs[832:]
        need(len(cek) == 2084 and len(root) == 832, "not HRK, HSK and CEK")
        sm2(root, 68, root[:576], root[576:720], "wrong signature of HRK")
        sm2(root, 68, hsk[:576], hsk[576:720], "wrong signature of HSK")
        sm2(hsk, 68, cek[:1044], cek[1052:1196], "wrong signature of CEK")
        sm2(cek, 20, certificate[:1044], certificate[1052:1196], "wrong signature of PEK")
    claims = {"serial": serial.rstrip(b"\0").decode(), "measure": plain(data[144:176]).hex(),
              "version": 2 if second else 1}
    if second:
        claims.update({f"rtmr{i}": data[208 + 32 * i:240 + 32 * i].hex() for i in range(5)})
    return plain(data[64:128]), claims


def csv_key(key):
    """Usage, algorithm, curve and point"""
    return bytes(key["x"]) + bytes(key["y"])


def csv_certificate(value):
    """CEK and PEK as bytes"""
    data, signatures = value["body"]["data"], value["sigs"]
    key = data["pubkey"]
    out = struct.pack("<IBBHIII", value["body"]["ver"], data["firmware"]["major"], data["firmware"]["minor"],
                      data["reserved1"], key["usage"], key["algo"], key["key"]["g"]) + csv_key(key["key"])
    out += struct.pack("<H", data["uid_size"]) + bytes(data["user_id"] + data["sid"] + data["reserved2"])
    for one in signatures:
        out += struct.pack("<II", one["usage"], one["algo"])
        out += bytes(one["signature"]["r"] + one["signature"]["s"] + one["_reserved"])
    return out


def csv_root(value):
    """HSK as bytes"""
    body, data = value["body"], value["body"]["preamble"]["data"]
    out = struct.pack("<I", body["preamble"]["ver"]) + bytes(data["kid"] + data["sid"])
    out += struct.pack("<I", data["usage"]) + bytes(data["reserved"]) + struct.pack("<I", body["pubkey"]["g"])
    out += csv_key(body["pubkey"]) + struct.pack("<H", body["uid_size"]) + bytes(body["user_id"] + body["reserved"])
    return out + bytes(value["signature"]["r"] + value["signature"]["s"] + value["_reserved"])


def csv_json(value):
    """The 4096 bytes, and the certificates if they are there"""
    report = bytes(value["attestation_report"]["data"])
    second = value["attestation_report"]["flags"] & 1
    pek = csv_certificate(value["cert_chain"]["pek"])
    need(pek == report[1168:3252] if second else pek == report[336:2420], "the PEK is not the report's")
    chain = value["cert_chain"].get("hsk_cek")
    return report, csv_root(chain["hsk"]) + csv_certificate(chain["cek"]) if chain else b""


def main():
    """0 if all holds"""
    parser = argparse.ArgumentParser(description="Verify evidence.")
    parser.add_argument("tee", choices=("tdx", "snp", "csv"))
    parser.add_argument("file")
    parser.add_argument("--root", required=True)
    parser.add_argument("--certs")
    parser.add_argument("--report-data", default=None)
    wanted = parser.parse_args()
    contents = []
    for path in (wanted.file, wanted.root, wanted.certs):
        with open(path or os.devnull, "rb") as into:
            contents.append(into.read())
    data, root, certs = contents
    check, from_json = {"tdx": (tdx, tdx_json), "snp": (snp, snp_json), "csv": (csv, csv_json)}[wanted.tee]
    try:
        if data.lstrip()[:1] == b"{":
            data, inside = from_json(json.loads(data))
            certs = inside or certs
        bound, claims = check(data, root, certs)
        if wanted.report_data is not None:
            need(bound == bytes.fromhex(wanted.report_data).ljust(64, b"\0"), "other report data: " + bound.hex())
    except (Wrong, KeyError, ValueError, IndexError, StopIteration, struct.error, x509.ExtensionNotFound) as why:
        sys.exit(f"{wanted.tee}: {type(why).__name__}: {why}")
    print("report_data", bound.hex())
    for name, value in claims.items():
        print(name, value)


if __name__ == "__main__":
    main()

"""SM2 signatures (GB/T 32918) over its one curve, as far as a maker of test certificates needs them.

Slow and not constant in time: for test keys only.
"""

import hashlib
import hmac
import secrets

P = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
A = P - 3
B = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
N = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123
G = (0x32C4AE2C1F1981195F9904466A39C9948FE30BBFF2660BE1715A4589334C74C7,
     0xBC3736A2F4F6779C59BDCEE36B692153D0A9877CC62A474002DF32E52139F0A0)


def add(p, q):
    """Sum of two points; None is the one at infinity"""
    if p is None or q is None:
        return p or q
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] + A) * pow(2 * p[1], -1, P)
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P)
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def multiply(k, point=G):
    """k times a point"""
    out = None
    for bit in bin(k)[2:]:
        out = add(out, out)
        if bit == "1":
            out = add(out, point)
    return out


def sm3(data):
    """SM3 digest"""
    return hashlib.new("sm3", data).digest()


def hmac_sm3(key, data):
    """HMAC with SM3"""
    return hmac.new(key, data, "sm3").digest()


class Key:
    """A private key with the distinguishing id it signs under."""

    def __init__(self, name, secret=None):
        self.name = name
        self.secret = secret or 1 + secrets.randbelow(N - 2)
        self.x, self.y = multiply(self.secret)

    def sign(self, message):
        """(r, s)"""
        parts = [len(self.name) * 8, A, B, *G, self.x, self.y]
        z = sm3(parts[0].to_bytes(2, "big") + self.name + b"".join(n.to_bytes(32, "big") for n in parts[1:]))
        e = int.from_bytes(sm3(z + message), "big")
        while True:
            k = 1 + secrets.randbelow(N - 1)
            r = (e + multiply(k)[0]) % N
            s = pow(1 + self.secret, -1, N) * (k - r * self.secret) % N
            if r and s and (r + k) % N:
                return r, s

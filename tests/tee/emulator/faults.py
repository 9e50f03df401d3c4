"""What goes wrong on purpose: --fault WHAT[:DETAIL[:TIMES]]."""

import errno

# A failing call: DETAIL is the name of an errno.
CALLS = ("open", "ioctl", "mkdir", "outblob", "auxblob", "extend", "connect", "module")
# Wrong content: DETAIL is a number or text.
CONTENT = {
    "missing": "the device node or directory is not there",
    "empty": "outblob, or the answer, has no bytes",
    "short": "only so many bytes come",
    "trailing": "so many bytes more than there should be",
    "provider": "configfs-tsm has this provider",
    "generation": "somebody else writes to the directory of configfs-tsm",
    "report-data": "the answer binds other report data than asked for",
    "signature": "the signature is wrong",
    "nonce": "CSV: the report has another nonce",
    "mac": "CSV: the MAC over PEK and chip id is wrong",
    "status": "the firmware answers with this status",
    "vmm-error": "SNP: 1 the certificates need more room, 2 busy",
    "certs-forever": "SNP: they need more room every time",
    "in-flight": "the quote never gets ready",
}
NUMBERS = ("short", "trailing", "status", "vmm-error")


class Faults:
    """The faults asked for; one with TIMES wears off."""

    def __init__(self, words):
        self.left = {}
        for word in words:
            what, _, rest = word.partition(":")
            detail, _, times = rest.partition(":")
            if what in CALLS:
                detail = getattr(errno, detail, None)
                if detail is None:
                    raise ValueError(f"--fault {word}: {what} needs the name of an errno")
            elif what not in CONTENT:
                raise ValueError(f"--fault {word}: unknown; there are {' '.join((*CALLS, *CONTENT))}")
            elif what in NUMBERS and detail:
                int(detail, 0)
            elif what == "provider" and not detail:
                raise ValueError(f"--fault {word}: which one?")
            self.left[what] = [detail, int(times) if times else None]

    def __contains__(self, what):
        return what in self.left

    def take(self, what):
        """Its detail if it shall happen now, else None; an empty detail is True"""
        fault = self.left.get(what)
        if fault is None or fault[1] == 0:
            return None
        if fault[1] is not None:
            fault[1] -= 1
        return fault[0] or True

    def number(self, what, default):
        """Its detail as a number if it shall happen now, else None"""
        detail = self.take(what)
        return default if detail is True else detail and int(detail, 0)

    def call(self, what):
        """Fails if this call shall fail now"""
        code = self.take(what)
        if code:
            raise OSError(code, "fault")

    def shape(self, blob):
        """Cuts or lengthens what goes to the caller"""
        if self.take("empty"):
            return b""
        size = self.number("short", 100)
        if size:
            blob = blob[:size]
        more = self.number("trailing", 39)
        return blob + b"\xa5" * more if more else blob

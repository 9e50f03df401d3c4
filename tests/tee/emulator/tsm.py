"""configfs-tsm as Linux has it since 6.7: /sys/kernel/config/tsm/report."""

import errno

from .fuse import Directory, File

INBLOB = 64


class Report:
    """One directory below it: the attributes and what they mean."""

    def __init__(self, tsm):
        self.tsm = tsm
        self.generation = 0
        self.inblob = b""
        self.privlevel = 0
        self.kept = None    # (generation, outblob, auxblob)

    def attributes(self):
        """The files of this provider"""
        files = {
            "inblob": File(0o200, written=self.write_inblob, largest=INBLOB, at_close=True),
            "outblob": File(0o444, read=lambda: self.blob("outblob", 1)),
            "generation": File(0o444, read=lambda: b"%d\n" % self.generation),
            "provider": File(0o444, read=lambda: self.tsm.provider.encode() + b"\n"),
        }
        if self.tsm.auxblob:
            files["auxblob"] = File(0o444, read=lambda: self.blob("auxblob", 2))
            files["privlevel"] = File(0o200, written=self.write_privlevel)
            files["privlevel_floor"] = File(0o444, read=lambda: b"%d\n" % self.tsm.floor)
        return files

    def write_inblob(self, data):
        """At close"""
        self.inblob = data
        self.generation += 1
        if self.tsm.faults.take("generation"):
            self.generation += 1

    def write_privlevel(self, data):
        """Decimal text"""
        try:
            level = int(data.decode().strip(), 0)
        except ValueError:
            raise OSError(errno.EINVAL, "") from None
        if not self.tsm.floor <= level <= 3:
            raise OSError(errno.EINVAL, "")
        self.privlevel = level
        self.generation += 1

    def blob(self, name, which):
        """Made at the first read after a write"""
        if not self.inblob or len(self.inblob) != INBLOB and not self.tsm.any_size:
            raise OSError(errno.EINVAL, "")
        self.tsm.faults.call(name)
        if self.kept is None or self.kept[0] != self.generation:
            out, aux = self.tsm.collect(self.inblob, self.privlevel)
            self.kept = (self.generation, self.tsm.faults.shape(out), aux)
        return self.kept[which]


class Tsm:
    """The directory. collect(inblob, privlevel) gives (outblob, auxblob)."""

    def __init__(self, provider, collect, faults, auxblob=False, any_size=False):
        self.provider = faults.take("provider") or provider
        self.collect = collect
        self.faults = faults
        self.auxblob = auxblob
        self.any_size = any_size
        self.floor = 0
        self.root = Directory(make=self.make)

    def make(self, _name):
        """mkdir"""
        self.faults.call("mkdir")
        return Directory(Report(self).attributes())

    def left(self):
        """Names of directories that nobody removed"""
        return list(self.root.children)

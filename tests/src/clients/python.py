"""One operation of ftplib.

HOST PORT USER PASSWORD passive|active clear|explicit|explicit_1.2|implicit OPERATION ARGUMENTS...
"""

import ftplib
import os
import ssl
import sys


class ImplicitFTP(ftplib.FTP_TLS):
    """TLS from the first byte, which ftplib itself does not know."""

    @property
    def sock(self):
        return self._sock

    @sock.setter
    def sock(self, sock):
        if sock is not None and not isinstance(sock, ssl.SSLSocket):
            sock = self.context.wrap_socket(sock)
        self._sock = sock


def connected(host, port, security):
    # The server's certificate is of its own making.
    context = ssl._create_unverified_context()
    if security == "explicit_1.2":
        context.maximum_version = ssl.TLSVersion.TLSv1_2
    ftp = {
        "clear": lambda: ftplib.FTP(timeout=30),
        "explicit": lambda: ftplib.FTP_TLS(context=context, timeout=30),
        "explicit_1.2": lambda: ftplib.FTP_TLS(context=context, timeout=30),
        "implicit": lambda: ImplicitFTP(context=context, timeout=30),
    }[security]()
    ftp.connect(host, int(port))
    return ftp


def list(ftp, directory):
    ftp.dir(directory)
    facts = dict(ftp.mlsd(directory))
    names = {os.path.basename(name) for name in ftp.nlst(directory)}
    assert set(facts) - {".", ".."} == names, (facts, names)
    for name, fact in facts.items():
        if fact["type"] == "file":
            ftp.voidcmd("TYPE I")
            assert ftp.size(f"{directory}/{name}") == int(fact["size"])


def fetch(ftp, remote, local):
    with open(local, "wb") as file:
        ftp.retrbinary(f"RETR {remote}", file.write)


def fetch_matching(ftp, pattern, local):
    for name in ftp.nlst(pattern):
        fetch(ftp, name, os.path.join(local, os.path.basename(name)))
    assert ftp.nlst(pattern + "nothing") == []


def store(ftp, local, remote):
    with open(local, "rb") as file:
        ftp.storbinary(f"STOR {remote}", file)


def append(ftp, local, remote):
    with open(local, "rb") as file:
        ftp.storbinary(f"APPE {remote}", file)


def resume_fetch(ftp, remote, local, offset):
    with open(local, "ab") as file:
        assert file.tell() == int(offset)
        ftp.retrbinary(f"RETR {remote}", file.write, rest=offset)


def resume_store(ftp, local, remote, offset):
    with open(local, "rb") as file:
        file.seek(int(offset))
        ftp.storbinary(f"STOR {remote}", file, rest=offset)


def rename(ftp, old, new):
    ftp.rename(old, new)


def delete(ftp, remote):
    ftp.delete(remote)


def make_directory(ftp, remote):
    made = ftp.mkd(remote)
    assert made.endswith(remote), made
    before = ftp.pwd()
    ftp.cwd(remote)
    assert ftp.pwd() == made, (ftp.pwd(), made)
    ftp.cwd("..")
    ftp.cwd(before)


def remove_directory(ftp, remote):
    ftp.rmd(remote)


def set_time(ftp, remote, time):
    reply = ftp.sendcmd(f"MFMT {time} {remote}")
    assert reply.startswith(f"213 Modify={time};"), reply
    assert ftp.sendcmd(f"MDTM {remote}") == f"213 {time}"


def abort_then_fetch(ftp, large, remote, local):
    ftp.voidcmd("TYPE I")
    data = ftp.transfercmd(f"RETR {large}")
    assert len(data.recv(1000)) > 0
    # abort() reads one reply only, which is the transfer's own; the second is that of ABOR.
    first = ftp.abort()
    assert first[:3] == "426", first
    assert ftp.getmultiline()[:1] == "2"
    data.close()
    fetch(ftp, remote, local)


host, port, user, password, mode, security, operation, *arguments = sys.argv[1:]
with connected(host, port, security) as ftp:
    ftp.login(user, password)
    if security != "clear":
        ftp.prot_p()
    ftp.set_pasv(mode == "passive")
    globals()[operation](ftp, *arguments)

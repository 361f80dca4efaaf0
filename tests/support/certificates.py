"""Certificates for tests of TLS, made by OpenSSL."""

import subprocess


def openssl(*arguments, folder):
    done = subprocess.run(["openssl", *map(str, arguments)], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def files_of(folder, name):
    """Where a certificate is, and its key."""
    return folder / f"{name}.pem", folder / f"{name}.key"


def new_key(folder, name, subject):
    """Arguments of `openssl req` for a new key in its file."""
    return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={subject}", "-keyout", files_of(folder, name)[1]]


def self_signed(folder, *more, name="certificate", subject="localhost"):
    """One that vouches for itself; `more`: further arguments of `openssl req`. Gives the files of it and of its key."""
    openssl("req", "-x509", *new_key(folder, name, subject), *more, "-out", files_of(folder, name)[0], folder=folder)
    return files_of(folder, name)


def signed(folder, by, name, subject="localhost"):
    """One for this machine that `by`, another of the folder, vouches for."""
    request, names = folder / f"{name}.csr", folder / "names"
    openssl("req", *new_key(folder, name, subject), "-out", request, folder=folder)
    names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
    authority, key = files_of(folder, by)
    openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", key, "-extfile", names, "-out", files_of(folder, name)[0], folder=folder)
    return files_of(folder, name)

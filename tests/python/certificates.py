"""Certificates and keys for the tests, made with certtool in a folder of the test's own."""

import os
import secrets
import shutil

import harness

AUTHORITY = 'cn = "authority of the test"\nca\ncert_signing_key\nexpiration_days = 100\n'


def needed():
    if shutil.which("certtool") is None:
        harness.skip("no certtool here (Debian: gnutls-bin)")


def _certtool(*arguments):
    result = harness.run_program(["certtool", *arguments])
    if result.returncode != 0:
        raise harness.Failure(f"certtool {arguments}: {result.stderr.decode()}")


def _key(path):
    # QEMU 10.0 demands a certificate that may encipher keys, which only RSA can.
    _certtool("--generate-privkey", "--key-type=rsa", "--bits=2048", "--outfile", path)
    os.chmod(path, 0o600)


def _template(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


def authority(folder):
    """A new authority: ca-cert.pem and ca-key.pem."""
    os.makedirs(folder, exist_ok=True)
    _key(f"{folder}/ca-key.pem")
    _certtool("--generate-self-signed", "--load-privkey", f"{folder}/ca-key.pem", "--template",
              _template(f"{folder}/ca.cfg", AUTHORITY), "--outfile", f"{folder}/ca-cert.pem")
    return folder


def certificate(folder, side, authority_folder=None, **change):
    """SIDE-cert.pem and SIDE-key.pem in @folder. @change: the lines of the template that differ, None = left out."""
    authority_folder = authority_folder or folder
    lines = {"cn": f'"{side}.example"', "organization": '"Test"', "dns_name": '"localhost"',
             "ip_address": '"127.0.0.1"', "expiration_days": "100", "signing_key": "", "encryption_key": "", f"tls_www_{side}": ""}
    lines.update(change)
    text = "".join(f"{name} = {value}\n" if value else f"{name}\n" for name, value in lines.items()
                   if value is not None)
    _key(f"{folder}/{side}-key.pem")
    _certtool("--generate-certificate", "--load-privkey", f"{folder}/{side}-key.pem",
              "--load-ca-certificate", f"{authority_folder}/ca-cert.pem",
              "--load-ca-privkey", f"{authority_folder}/ca-key.pem",
              "--template", _template(f"{folder}/{side}.cfg", text), "--outfile", f"{folder}/{side}-cert.pem")


def psk(folder, users=("qemu",)):
    path = f"{folder}/keys.psk"
    with open(path, "w") as file:
        file.writelines(f"{user}:{secrets.token_hex(16)}\n" for user in users)
    os.chmod(path, 0o600)


def complete(folder):
    """Everything that both sides need, in one folder."""
    authority(folder)
    certificate(folder, "server")
    certificate(folder, "client")
    psk(folder)
    return folder


def add(process, kind, folder, endpoint, name="tls", **properties):
    """An object of type tls-creds-KIND, and the parameter that names it."""
    arguments = {"qom-type": f"tls-creds-{kind}", "id": name, "endpoint": endpoint, **properties}
    if kind != "anon":
        arguments["dir"] = folder
    process.execute("object-add", **arguments)
    process.set(tls_creds=name)

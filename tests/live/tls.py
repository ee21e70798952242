"""Encrypted migrations between two migmons: every kind of channel and of credentials; who is refused, and what both sides
say then."""

import os
import socket

import certificates
import harness
import pace

MEMORY = pace.SMALL


def workload():
    return pace.stress(pace.brisk(), "prefill=on", "seed=9")


def pair(s, address="tcp:127.0.0.1:0"):
    """The destination is not listening yet."""
    dst = s.migmon("dst", "--incoming", "defer", memory=MEMORY, machine=workload())
    src = s.migmon("src", memory=MEMORY, machine=workload())
    src.written().unlimited()
    return src, dst


def listen(dst):
    dst.execute("migrate-incoming", uri="tcp:127.0.0.1:0")
    return f"tcp:127.0.0.1:{dst.address()['port']}"


def secured(s, src, dst, kind, **server):
    folder = certificates.complete(s.path("certificates"))
    certificates.add(dst, kind, folder, "server", **server)
    certificates.add(src, kind, folder, "client")
    return folder


def moved(kind, mode):
    def test(s):
        src, dst = pair(s)
        secured(s, src, dst, kind)
        for process in (src, dst):
            process.capability("multifd", mode == "multifd")
            for name in ("postcopy-ram", "postcopy-preempt"):
                process.capability(name, mode == "preempt")
        if mode == "preempt":
            src.hold()
        src.execute("migrate", uri=listen(dst))
        if mode == "preempt":
            src.wait_status("active")
            src.execute("migrate-start-postcopy")
            src.wait_status("postcopy-active")
            src.unlimited()
        harness.arrived(src, dst)
    test.__name__ = f"{kind}_{mode}"
    return test


def refused(s, src, dst, uri, error, hint, notice):
    """@error: the first line at the source; @hint, @notice: what the source and the destination add. Both go on."""
    notices = len(dst.output())
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    found = src.execute("query-migrate")["error-desc"]
    if error not in found:
        raise harness.Failure(f"the source says {found!r}, not {error!r}")
    src.wait_log(hint)
    harness.wait_for(f"the destination says {notice!r}", lambda: notice in dst.output()[notices:])
    if src.run_state() != "running" or dst.run_state() != "inmigrate" or src.owner() != "here":
        raise harness.Failure(f"{src.run_state()}, {dst.run_state()}")


def certificates_that_are_refused(s):
    """Each with its reason at both ends; the right one gets in afterwards."""
    src, dst = pair(s)
    good = certificates.complete(s.path("good"))
    certificates.add(dst, "x509", good, "server")
    uri = listen(dst)
    other = certificates.complete(s.path("other"))
    none = certificates.authority(s.path("none"))
    os.replace(f"{good}/ca-cert.pem", f"{good}/kept")
    with open(f"{good}/kept") as kept, open(f"{none}/ca-cert.pem", "w") as file:
        file.write(kept.read())
    os.replace(f"{good}/kept", f"{good}/ca-cert.pem")
    certificates.add(src, "x509", other, "client", "other")
    refused(s, src, dst, uri, "The certificate hasn't got a known issuer", "both sides need the same ca-cert.pem",
            "issued by CN=authority of the test; both sides need the same ca-cert.pem")
    certificates.add(src, "x509", none, "client", "none")
    # In TLS 1.3 the client has finished before the server looks at its certificate.
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    dst.wait_log("the peer sent no certificate")
    certificates.add(src, "x509", good, "client", "good")
    src.set(tls_hostname="elsewhere.example")
    refused(s, src, dst, uri, "Certificate does not match the hostname elsewhere.example",
            "it is valid for localhost, 127.0.0.1", "the source refuses this destination")
    src.set(tls_hostname="", tls_creds="")
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    dst.wait_log("it does not speak TLS; parameter tls-creds is set here")
    said = src.execute("query-migrate")["error-desc"]
    # The reset of the connection may overtake the answer.
    if "the destination expects TLS" not in said and "reset" not in said and "Broken pipe" not in said:
        raise harness.Failure(said)
    src.set(tls_creds="good")
    src.execute("migrate", uri=uri)
    harness.arrived(src, dst)


def a_destination_without_tls(s):
    src, dst = pair(s)
    certificates.add(src, "anon", None, "client")
    uri = listen(dst)
    refused(s, src, dst, uri, "TLS handshake failed", "perhaps it has no tls-creds",
            "it is TLS; parameter tls-creds is not set here")
    certificates.add(dst, "anon", None, "server")
    src.execute("migrate", uri=uri)
    harness.arrived(src, dst)


def keys_that_are_refused(s):
    src, dst = pair(s)
    server = s.path("server")
    client = s.path("client")
    os.mkdir(server)
    os.mkdir(client)
    certificates.psk(server, ("a", "b"))
    certificates.psk(client, ("b", "c"))
    certificates.add(dst, "psk", server, "server")
    uri = listen(dst)
    for user in ("b", "c"):
        certificates.add(src, "psk", client, "client", user, username=user)
        src.execute("migrate", uri=uri)
        src.wait_status("failed")
        if src.run_state() != "running":
            raise harness.Failure(src.run_state())
    certificates.add(src, "psk", server, "client", "right", username="a")
    src.execute("migrate", uri=uri)
    harness.arrived(src, dst)


def names_that_may_connect(s):
    """tls-authz: the object is looked up for each connection, and may come and go."""
    src, dst = pair(s)
    secured(s, src, dst, "x509")
    dst.set(tls_authz="who")
    uri = listen(dst)
    for object_, allowed in ((None, False),
                             ({"qom-type": "authz-simple", "identity": "CN=somebody"}, False),
                             ({"qom-type": "authz-list", "policy": "deny", "rules": [
                                 {"match": "*CN=client*", "policy": "allow", "format": "glob"}]}, True)):
        if object_:
            dst.execute("object-add", id="who", **object_)
        src.execute("migrate", uri=uri)
        if allowed:
            break
        src.wait_status("failed")
        dst.wait_log("TLS x509 authz check for")
        if object_:
            dst.execute("object-del", id="who")
    harness.arrived(src, dst)


def nobody_in_particular_is_not_allowed(s):
    """tls-authz also judges peers without a certificate: by the name of their key, or as nobody."""
    src, dst = pair(s)
    secured(s, src, dst, "psk")
    dst.execute("object-add", **{"qom-type": "authz-simple", "id": "who", "identity": "qemu"})
    dst.set(tls_authz="who")
    uri = listen(dst)
    certificates.add(dst, "anon", None, "server", "open")
    certificates.add(src, "anon", None, "client", "open")
    src.execute("migrate", uri=uri)
    src.wait_status("failed")
    dst.wait_log("TLS x509 authz check for a peer without a name is denied")
    for side in (src, dst):
        side.set(tls_creds="tls")
    src.execute("migrate", uri=uri)
    harness.arrived(src, dst)


def passed(src, dst, out, into):
    src.qmp.execute("getfd", fds=[out], fdname="out")
    dst.qmp.execute("getfd", fds=[into], fdname="in")
    os.close(out)
    os.close(into)
    dst.execute("migrate-incoming", uri="fd:in")
    src.execute("migrate", uri="fd:out")


def over_a_passed_socket(s):
    """The address names no host: tls-hostname does. What is refused there, or is no socket, ends that attempt only."""
    src, dst = pair(s)
    secured(s, src, dst, "x509")
    for hostname, make, error in (
            ("", socket.socketpair, "No hostname for certificate validation"),
            ("localhost", lambda: os.pipe()[::-1], "fd:out cannot carry TLS"),
            ("localhost", socket.socketpair, None)):
        src.set(tls_hostname=hostname)
        passed(src, dst, *(end if isinstance(end, int) else end.detach() for end in make()))
        if error is None:
            break
        src.wait_status("failed")
        found = src.execute("query-migrate")["error-desc"]
        if error not in found:
            raise harness.Failure(found)
        dst.wait_status("failed")
    harness.arrived(src, dst)


def credentials_in_use_stay(s):
    src, dst = pair(s)
    secured(s, src, dst, "anon")
    src.hold()
    src.execute("migrate", uri=listen(dst))
    src.wait_status("active")
    try:
        src.execute("object-del", id="tls")
    except harness.QmpError as error:
        if "object 'tls' is in use" not in str(error):
            raise
    else:
        raise harness.Failure("deleted while it was in use")
    src.unlimited()
    harness.arrived(src, dst)
    harness.wait_for("the object can be deleted", lambda: deleted(src))


def deleted(process):
    try:
        process.execute("object-del", id="tls")
    except harness.QmpError:
        return False
    return True


def objects_that_cannot_be_made(s):
    """QEMU's texts, and nothing of the object stays."""
    process = s.migmon("vm", memory="8M")
    folder = certificates.complete(s.path("certificates"))
    broken = certificates.complete(s.path("broken"))
    for name in ("ca-cert.pem", "keys.psk"):
        os.unlink(f"{broken}/{name}")
        os.mkdir(f"{broken}/{name}")
    x509 = {"qom-type": "tls-creds-x509", "endpoint": "server", "dir": folder}
    for arguments, text in (
            ({"qom-type": "iothread"}, "objects of type 'iothread' are not supported by this build"),
            ({"qom-type": "secret"}, "Either 'file' or 'data' must be provided"),
            ({"qom-type": "secret", "data": "a", "file": "b"}, "'file' and 'data' are mutually exclusive"),
            ({"qom-type": "secret", "file": "/nonexistent/x"}, "Unable to read /nonexistent/x"),
            ({"qom-type": "secret", "data": "!", "format": "base64"}, "Base64 data contains invalid characters"),
            ({"qom-type": "tls-creds-x509"}, "Missing 'dir' property value"),
            ({**x509, "dir": "/nonexistent"}, "Unable to access credentials /nonexistent/ca-cert.pem: No such file"),
            ({**x509, "dir": broken}, f"Cannot load CA cert list {broken}/ca-cert.pem"),
            ({**x509, "verify-peer": "yes"}, "Invalid parameter type for 'verify-peer', expected: boolean"),
            ({**x509, "endpoint": "both"}, "Parameter 'endpoint' does not accept value 'both'"),
            ({**x509, "priority": "NOTHING"}, "Unable to set TLS session priority NOTHING"),
            ({**x509, "nosuch": 1}, "Parameter 'nosuch' is unexpected"),
            ({"qom-type": "tls-creds-psk", "dir": broken}, f"Cannot read PSK file {broken}/keys.psk"),
            ({"qom-type": "tls-creds-psk", "dir": folder, "username": "x"}, "Username x not found in PSK file"),
            ({"qom-type": "authz-simple"}, "Parameter 'identity' is missing"),
            ({"qom-type": "authz-listfile", "filename": "/nonexistent"}, "Unable to read '/nonexistent'"),
            ({"qom-type": "authz-listfile", "filename": f"{folder}/keys.psk"}, "must contain a JSON object")):
        try:
            process.execute("object-add", id="made", **arguments)
        except harness.QmpError as error:
            if text not in str(error):
                raise harness.Failure(f"{arguments}: {error}") from None
        else:
            raise harness.Failure(f"{arguments}: was made")
    if len(process.execute("qom-list", path="/objects")) != 1:
        raise harness.Failure(process.execute("qom-list", path="/objects"))


def strangers_hold_nobody_up(s):
    """Silent, half a handshake, garbage, a record that is too long: the right peer still gets in."""
    src, dst = pair(s)
    secured(s, src, dst, "x509")
    uri = listen(dst)
    port = int(uri.rsplit(":", 1)[1])
    openings = (b"", b"\x16\x03\x01", b"\x16\x03\x01\x02\x00\x01", b"\x16\x03\x01\xff\xff" + bytes(4096),
                b"\x16\x03\x01\x00\x05hello", os.urandom(300))
    strangers = []
    for opening in openings * 3:
        stranger = socket.create_connection(("127.0.0.1", port))
        stranger.sendall(opening)
        strangers.append(stranger)
    src.execute("migrate", uri=uri)
    harness.arrived(src, dst)
    for stranger in strangers:
        stranger.close()


if __name__ == "__main__":
    certificates.needed()
    harness.run([moved(kind, mode) for kind in ("x509", "psk", "anon") for mode in ("plain", "multifd", "preempt")]
                + [certificates_that_are_refused, a_destination_without_tls, keys_that_are_refused,
                   names_that_may_connect, nobody_in_particular_is_not_allowed, over_a_passed_socket,
                   credentials_in_use_stay, objects_that_cannot_be_made, strangers_hold_nobody_up])

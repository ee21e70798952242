"""Moves a guest with the QMP client of Ganeti, as Ganeti itself does it; foreign_client.py starts this.

    ganeti_migrate.py SOURCE_QMP DESTINATION_QMP HOST PORT CAPABILITY...

Prints one JSON object. Runs under Debian's Python, with Ganeti on its path.
"""

import json
import sys
import time

from ganeti import constants
from ganeti.hypervisor.hv_kvm import monitor

# What Ganeti gives an instance that says nothing else.
BANDWIDTH = 32 << 20
DOWNTIME = 30
# Five seconds otherwise, in which a busy machine may not come to an answer. foreign_client.py gives up before that.
monitor.MonitorSocket._SOCKET_TIMEOUT = 3600


def pass_descriptors(client):
    """As for the network cards and disks of a guest; what is left afterwards."""
    with client, open("/dev/null", "rb") as file:
        client._GetFd(file.fileno(), "a-name")
        client.Execute("closefd", {"fdname": "a-name"})
        client._RemoveFdset(client._AddFd(file.fileno()))
        return client.Execute("query-fdsets")


def status_of(client):
    with client:
        return client.Execute("query-status")["status"]


def main():
    source_path, destination_path, host, port, *capabilities = sys.argv[1:]
    # Each call below is a connection of its own: so Ganeti uses it.
    source, destination = monitor.QmpConnection(source_path), monitor.QmpConnection(destination_path)
    over = constants.HV_KVM_MIGRATION_VALID_STATUSES - constants.HV_KVM_MIGRATION_ACTIVE_STATUSES
    seen = []

    fdsets = pass_descriptors(source)
    for side in (source, destination):
        side.SetMigrationCapabilities(capabilities, True)
    source.SetMigrationParameters(BANDWIDTH, DOWNTIME)
    source.StartMigration(host, port)
    while not seen or seen[-1] not in over:
        status = source.GetMigrationStatus()
        if not seen or seen[-1] != status["status"]:
            seen.append(status["status"])
        time.sleep(0.02)
    while destination.GetMigrationStatus().get("status") in ("setup", "active"):
        time.sleep(0.02)
    destination.StopGuestEmulation()
    destination.ContinueGuestEmulation()
    print(json.dumps({
        "version": source.version,
        "statuses": seen,
        "transferred": status["ram"]["transferred"],
        "fdsets": fdsets,
        "source": status_of(source),
        "destination": status_of(destination),
    }))


main()

"""Reports of real attempts, on both sides: completed, cancelled, failed."""

import json
import os
import shutil
import xml.etree.ElementTree as ElementTree

import pace
from harness import Failure, QmpError, run, run_program, wait_for

SVG = "{http://www.w3.org/2000/svg}"


def report(scene, process, ending):
    """The file that the command writes."""
    path = scene.path(f"{process.name}.{ending}")
    told = process.hmp(f"report {path}")
    if not told.startswith(f"report: {path} ("):
        raise Failure(told)
    with open(path, encoding="utf-8") as file:
        return file.read()


def curves(scene, process):
    """Names of the curves in the picture, which has to be one."""
    root = ElementTree.fromstring(report(scene, process, "svg").encode())
    if shutil.which("rsvg-convert"):
        png = run_program(["rsvg-convert", scene.path(f"{process.name}.svg")]).stdout
        if not png.startswith(b"\x89PNG"):
            raise Failure("rsvg-convert does not draw it")
    return [line.find(f"{SVG}title").text.split(" in ")[0] for line in root.iter(f"{SVG}polyline")]


def need(found, *parts):
    for part in parts:
        if part not in found:
            raise Failure(f"{part!r} is not in:\n{found}")


def pair(scene, rate):
    uri = f"unix:{scene.path('guest.sock')}"
    destination = scene.migmon("destination", "--incoming", uri)
    source = scene.migmon("source", machine=pace.stress(rate, "prefill=on"))
    return source, destination, uri


def of_a_migration_that_completed(scene):
    source, destination, uri = pair(scene, pace.calm())
    need(source.hmp("report"), "there is nothing to report")
    source.hold()
    source.execute("migrate", uri=uri)
    # A fast machine sends all of it before the first sample.
    wait_for("some samples", lambda: len(source.execute("x-query-migrate-history", samples=True)["samples"]) > 3)
    source.release()
    source.set(max_bandwidth=1 << 40, x_switchover_timeout=5000)
    source.wait_status("completed")
    destination.wait_status("completed")
    need(curves(scene, source), "throughput", "remaining", "switchover threshold")
    need(curves(scene, destination), "throughput")
    need(report(scene, source, "txt"), "Did it finish?\nYes, after ", "Where the pause went", "\npeer (confirmed): ",
         f"peer       {uri}", "max-bandwidth  1.0 TiB/s  128.0 MiB/s")
    need(report(scene, destination, "md"), "# Migration of destination from unix:", "Where is the guest?  \nhere: ")
    facts = json.loads(report(scene, source, "json"))
    history = facts["replies"]["x-query-migrate-history"]
    last = history["samples"][-1]
    if last["transferred-bytes"] != history["transferred-bytes"] or last["remaining-bytes"] != 0:
        raise Failure(f"the last sample is not the end: {last}, {history['transferred-bytes']} bytes")
    return f"{len(history['samples'])} samples"


def of_one_that_was_cancelled(scene):
    source, destination, uri = pair(scene, pace.STEADY)
    source.hold()
    source.execute("migrate", uri=uri)
    wait_for("there are samples", lambda: len(source.execute("x-query-migrate-history", samples=True)["samples"]) > 2)
    need(report(scene, source, "txt"), "Not yet: active for ")
    source.execute("migrate_cancel")
    source.wait_status("cancelled")
    destination.wait_status("failed")
    need(report(scene, source, "txt"), "No, it was cancelled after ", "There was none", "\nhere: ", "Course\n")
    need(report(scene, destination, "txt"), "No, it failed after ", "\nnone: ")
    need(curves(scene, source), "throughput", "remaining")


def of_one_that_failed(scene):
    source = scene.migmon("source")
    try:
        source.execute("migrate", uri=f"unix:{scene.path('nobody')}")
    except QmpError:
        pass
    source.wait_status("failed")
    need(report(scene, source, "md"), "No, it failed ", "No such file or directory")
    if curves(scene, source):
        raise Failure("curves of nothing")


def leaves_no_half_file(scene):
    source = scene.migmon("source")
    source.hmp(f"migrate unix:{scene.path('nobody')}")
    source.wait_status("failed")
    need(source.hmp(f"report {scene.path('no/folder.svg')}"), "the report was not written", "No such file")
    need(source.hmp(f"report {scene.path('report.pdf')}"), "does not say which format")
    left = [name for name in os.listdir(scene.dir) if name.startswith(("report", "no"))]
    if left:
        raise Failure(f"left behind: {left}")


run([of_a_migration_that_completed, of_one_that_was_cancelled, of_one_that_failed, leaves_no_half_file])

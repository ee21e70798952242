"""migmon in a real terminal: tmux gives the terminal and its picture, keys go in as a person types them."""

import os
import re
import shlex
import subprocess

import harness
import pace


class Terminal(harness.Process):
    """A migmon in tmux, with a QMP server beside it. Its history, settings and exports are in the scene's folder."""

    crashed = False  # a test killed it: a sanitizer reports that, rightly

    def __init__(self, scene, name, *options, memory=pace.SMALL, width=80, height=24, env=None):
        self.scene = scene
        self.name = name
        self.socket = scene.path("tmux")
        self.qmp_path = scene.path(f"{name}.qmp")
        self.log = scene.path(f"{name}.log")
        self.qmp = self.process_id = None
        self.argv = [harness.MIGMON, "--name", name, "--qmp", f"unix:{self.qmp_path}", "--memory", memory, *options]
        open(self.log, "ab").close()
        scene.processes.append(self)  # before anything can fail: it is ended with the scene
        pid_path = scene.path(f"{name}.pid")
        program = shlex.join(["sh", "-c", f'echo $$ > {pid_path}.new; mv {pid_path}.new {pid_path}; exec "$0" "$@"',
                              *self.argv])
        settings = " ".join(f"{key}={shlex.quote(value)}" for key, value in (env or {}).items())
        # The shell stays when migmon has ended, and so does the screen.
        command = (f"cd {scene.dir}; exec 2>>{self.log}; XDG_STATE_HOME={scene.dir} XDG_CONFIG_HOME={scene.dir} "
                   f"TERM=tmux-256color {settings} {program}; echo \"ended with $?\"; cat")
        self.tmux("new-session", "-d", "-s", name, "-x", str(width), "-y", str(height), command)
        harness.wait_for(f"{name} is started", lambda: os.path.exists(pid_path))
        with open(pid_path) as file:
            self.process_id = int(file.read())
        os.unlink(pid_path)
        self.connect()

    @property
    def pid(self):
        return self.process_id

    def ended(self):
        """It is a child of the terminal's shell, which shows its exit status."""
        if self.pid is None or os.path.exists(f"/proc/{self.pid}"):
            return None
        return re.search(r"(?<=^ended with )\d+|\Z", self.screen(), re.MULTILINE).group()

    def tmux(self, *arguments):
        done = harness.run_program(["tmux", "-S", self.socket, "-f", "/dev/null", *arguments], text=True)
        if done.returncode != 0:
            raise harness.Failure(f"tmux {arguments}: {done.stderr}")
        return done.stdout

    def keys(self, *keys):
        self.tmux("send-keys", "-t", self.name, *keys)

    def type(self, text):
        self.tmux("send-keys", "-t", self.name, "-l", text)

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", self.name)

    def wait_screen(self, what, condition):
        """Waits until condition(screen) is true."""
        try:
            return harness.wait_for(what, lambda: condition(self.screen()), harness.moves(self), every=0.05)
        except harness.Failure as failure:
            raise harness.Failure(f"{failure}\n{self.screen()}") from None

    def shows(self, pattern):
        return self.wait_screen(f"the screen matches {pattern!r}",
                                lambda screen: re.search(pattern, screen, re.MULTILINE))

    def resize(self, width, height):
        self.tmux("resize-window", "-t", self.name, "-x", str(width), "-y", str(height))

    def tty(self):
        return self.tmux("display", "-p", "-t", self.name, "#{pane_tty}").strip()

    def mode(self):
        flags = harness.run_program(["stty", "-a", "-F", self.tty()], text=True).stdout
        return {flag: f"-{flag}" not in flags.replace(";", " ").split() for flag in ("icanon", "echo", "onlcr")}

    def is_restored(self):
        picture = self.tmux("display", "-p", "-t", self.name, "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")
        return picture.split() == ["0", "1", "0"] and all(self.mode().values())

    def close(self):
        if self.qmp is not None:
            self.qmp.close()
        subprocess.run(["tmux", "-S", self.socket, "kill-session", "-t", self.name], check=False,
                       capture_output=True)
        if self.pid is not None:
            harness.wait_for(f"{self.name} ends with its terminal", lambda: not os.path.exists(f"/proc/{self.pid}"),
                             progress=lambda: harness.cpu_ticks(self.pid))
        if not self.crashed:
            harness.check_sanitizer(self)

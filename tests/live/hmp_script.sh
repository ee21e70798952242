#!/bin/sh
# hmp_script.sh MONITOR PROMPT URI: moves the guest behind a human monitor's socket, as scripts did it long
# before there was QMP: socat for the line, grep for the answer. Nothing in here knows which program
# answers; hmp_script.py gives it real QEMUs and migmon.
set -eu

monitor=$1 prompt=$2 uri=$3
dir=$(mktemp -d)
trap 'exec 3>&-; kill "$socat" 2>/dev/null || true; rm -rf "$dir"' EXIT
mkfifo "$dir/keys"
: > "$dir/screen"
socat - "UNIX-CONNECT:$monitor" < "$dir/keys" >> "$dir/screen" &
socat=$!
exec 3> "$dir/keys"
seen=0

# Waits for the prompt at the end of what is new on the screen, which goes to $dir/answer. Gives up when nothing more
# comes for a minute.
await_prompt() {
    tries=0 size=
    until tail -c "+$((seen + 1))" "$dir/screen" | tr -d '\r' > "$dir/answer" &&
            tail -n 1 "$dir/answer" | grep -qF "$prompt"; do
        now=$(wc -c < "$dir/screen")
        [ "$now" = "$size" ] || tries=0
        size=$now tries=$((tries + 1))
        [ "$tries" -lt 600 ] || { echo "no prompt; on the screen:"; cat "$dir/screen"; exit 1; }
        sleep 0.1
    done
    seen=$(wc -c < "$dir/screen")
}

ask() {
    printf '%s\n' "$1" >&3
    # The line comes back as an echo, and its end is a line of its own.
    until tail -c "+$((seen + 1))" "$dir/screen" | grep -q .; do
        sleep 0.02
    done
    await_prompt
}

# number NAME UNIT: the number of "NAME: 12 UNIT".
number() {
    grep -E "^$1: [0-9.]+ $2\$" "$dir/answer" | head -n 1 | sed -E "s/^$1: ([0-9.]+) $2\$/\1/" | grep .
}

await_prompt
ask "info status"
grep -E '^VM status: (running|paused)' "$dir/answer"
ask "migrate_set_parameter max-bandwidth 64M"
ask "info migrate_parameters"
grep -x "max-bandwidth: 67108864 bytes/second" "$dir/answer"
ask "migrate_set_capability events on"
ask "info migrate_capabilities"
grep -x "events: on" "$dir/answer"
ask "migrate -d $uri"
if grep -i "error" "$dir/answer"; then
    exit 1
fi

while :; do
    ask "info migrate"
    status=$(sed -n 's/^Migration status: \([a-z-]*\).*/\1/p' "$dir/answer")
    case $status in
    completed) break ;;
    failed | cancelled | "") cat "$dir/answer"; exit 1 ;;
    esac
    sleep 0.05
done

grep -x "Migration status: completed" "$dir/answer"
echo "total $(number 'total time' ms) ms, downtime $(number downtime ms) ms," \
    "transferred $(number 'transferred ram' kbytes) of $(number 'total ram' kbytes) kbytes," \
    "$(number throughput mbps) mbps, $(number 'page size' kbytes) kbytes a page"
[ "$(number 'remaining ram' kbytes)" = 0 ]
ask "info status"
grep -x "VM status: paused (postmigrate)" "$dir/answer"

#!/bin/sh
# Each folder may include itself and what stands to its left; monitor/main.c may include all.
set -eu
cd "$(dirname "$0")/.."
bad=0

# check ALLOWED-PREFIXES FOLDER...: every #include "..." below the folders begins with one of the prefixes
check() {
    allowed=$1
    shift
    if grep -rnE '^#include "' --include='*.[ch]' "$@" | grep -v '^monitor/main\.c:' |
            grep -vE "#include \"($allowed)"; then
        echo "-- must not be included there; allowed: $allowed" >&2
        bad=1
    fi
}

check 'backend/' backend
check 'backend/|commands/' commands
check 'backend/|commands/|completion/' completion
check 'backend/|commands/|completion/|tui/' tui
check 'backend/|commands/|completion/|tui/|monitor/' monitor
check 'backend/|commands/|tui/|manual/' manual

# Inside the backend.
contract='backend/([a-z-]*\.h|tables/|schema/)'
check 'backend/base/' backend/base
check 'backend/base/|backend/guest/' backend/guest
check 'backend/base/|backend/stream/' backend/stream
check 'backend/base/|backend/transport/' backend/transport
check "backend/base/|backend/guest/|backend/stream/|backend/transport/|backend/engine/|$contract" backend/engine
check "backend/base/|backend/qmp/|$contract" backend/qmp
check "backend/base/|backend/qmp/|backend/engine/|backend/attach/|$contract" backend/attach

exit $bad

#!/bin/sh
# Installs Debian or Ubuntu packages where that is allowed; else says in one sentence what to do.
if command -v apt-get >/dev/null 2>&1; then
    if [ "$(id -u)" = 0 ]; then as=""; else as="sudo -n"; fi
    if { $as apt-get install -y -qq "$@" || { $as apt-get update -qq && $as apt-get install -y -qq "$@"; }; } >/dev/null 2>&1; then
        exit 0
    fi
fi
echo "SCRAM: please install: $* (on Debian or Ubuntu: sudo apt-get install $*)" >&2
exit 1

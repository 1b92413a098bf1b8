#!/bin/sh
# The demo: boot the example system, create three domains, let two seconds pass, look.
#   sh tests/demo.sh COPROCSIM STATE_DIR
set -eu
coprocsim=$1
COPROCSIM_STATE_DIR=$2
export COPROCSIM_STATE_DIR

say() {
    printf '\n$ coprocsim %s\n' "$*"
    "$coprocsim" "$@"
}

say boot --force dts/system.dtb
say domain create domains/instrument-cluster.cfg
say domain create domains/infotainment.cfg
say domain create domains/adas.cfg
say run 2s
say list
say stats
say timeline --from 1.9s --to 2s
"$coprocsim" shutdown >/dev/null
printf '\nmake demo: ok\n'

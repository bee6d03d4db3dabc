#!/bin/sh
# Train on several machines: start this on each with the same arguments, which go to `srzoo train`.
#   NODES  how many machines        NODE  this machine's number, from 0
#   HEAD   address of machine 0     PORT  a free port there (29400)
#   PROCESSES  on each machine (one for each GPU)
set -eu
: "${NODES:?how many machines}" "${NODE:?the number of this one}" "${HEAD:?the address of machine 0}"
exec python -m torch.distributed.run \
    --nnodes="$NODES" --node-rank="$NODE" --master-addr="$HEAD" --master-port="${PORT:-29400}" \
    --nproc-per-node="${PROCESSES:-gpu}" --max-restarts=3 \
    -m srzoo train "$@" --resume

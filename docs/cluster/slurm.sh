#!/bin/sh
#SBATCH --job-name=srzoo
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# One torchrun on each machine of the job; the arguments go to `srzoo train`.
#   PROCESSES  on each machine (one for each GPU)
set -eu
HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
trap 'scontrol requeue "$SLURM_JOB_ID"' USR1
srun python -m torch.distributed.run \
    --nnodes="$SLURM_JOB_NUM_NODES" --rdzv-backend=c10d --rdzv-endpoint="$HEAD:29400" --rdzv-id="$SLURM_JOB_ID" \
    --nproc-per-node="${PROCESSES:-gpu}" \
    -m srzoo train "$@" --resume &
wait $!

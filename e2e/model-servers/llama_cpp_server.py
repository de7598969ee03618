"""Runs the server of llama.cpp, as the package xllamacpp contains it: FILE NAME PORT."""

import signal
import sys

import xllamacpp

file, name, port = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = file
params.model_alias = {name}
params.hostnames = ["127.0.0.1"]
params.port = int(port)
params.endpoint_props = True
params.use_jinja = True
params.n_parallel = 4
params.n_ctx = 4 * 2048
params.cpuparams.n_threads = 1
server = xllamacpp.Server(params)
# The server ends with its process.
signal.pause()

"""The process that holds the local model: llama.cpp's OpenAI-compatible server, from xllamacpp.

`python -m llmctl.providers.local_child --model FILE …` prints `{"port": …}` once the model is loaded. It ends when its
stdin closes, so that it never outlives its parent however that ended, and on SIGTERM.
"""

import argparse
import json
import os
import signal
import sys
import threading
import time

import xllamacpp


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m llmctl.providers.local_child")
    parser.add_argument("--model", required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--context", type=int, required=True, help="tokens per slot")
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--parallel", type=int, required=True)
    parser.add_argument("--max-tokens", type=int, required=True, help="longest answer where the request sets no limit")
    parser.add_argument("--small-cache", action="store_true", help="keep keys and values in 8 bits")
    parser.add_argument("--embedding-batch", type=int, default=0, help="longest input to embed; 0 is no embeddings")
    parser.add_argument("--template", help="Jinja chat template to use instead of the model's")
    parser.add_argument("--speculative", choices=("ngram", "draft"))
    parser.add_argument("--speculative-tokens", type=int, default=0, help="most tokens guessed in a step")
    parser.add_argument("--speculative-match", type=int, default=0, help="so many tokens must have been there before")
    parser.add_argument("--speculative-model", help="the GGUF file that guesses")
    parser.add_argument("--speculative-probability", type=float, default=0.0, help="stop at a less probable token")
    return parser.parse_args()


def _params(arguments: argparse.Namespace) -> xllamacpp.CommonParams:
    params = xllamacpp.CommonParams()
    params.model.path = arguments.model
    params.model_alias = {arguments.alias}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = arguments.parallel
    params.n_predict = arguments.max_tokens
    # Each slot has cells of its own. Sharing them would take less, but one long conversation then fails the others.
    params.n_ctx = arguments.context * arguments.parallel
    params.kv_unified = False
    if arguments.small_cache:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_Q8_0
    params.cache_ram_mib = 0
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = arguments.threads
    params.n_gpu_layers = 0
    params.fit_params = False
    params.ui = params.endpoint_slots = False
    params.verbosity = 1
    if arguments.template:
        params.chat_template = arguments.template
    if arguments.embedding_batch:
        params.embedding = True
        params.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
        # An input is embedded in one physical batch.
        params.n_ubatch = arguments.embedding_batch
        params.n_batch = max(params.n_batch, arguments.embedding_batch)
    if arguments.speculative:
        _speculate(params.speculative, arguments)
    return params


def _speculate(speculative: xllamacpp.CommonParamsSpeculative, arguments: argparse.Namespace) -> None:
    types = xllamacpp.common_speculative_type
    if arguments.speculative == "ngram":
        speculative.types = [types.COMMON_SPECULATIVE_TYPE_NGRAM_SIMPLE]
        speculative.ngram_simple.size_n = arguments.speculative_match
        speculative.ngram_simple.size_m = arguments.speculative_tokens
        return
    speculative.types = [types.COMMON_SPECULATIVE_TYPE_DRAFT_SIMPLE]
    draft = speculative.draft
    draft.mparams.path = arguments.speculative_model
    draft.n_max = arguments.speculative_tokens
    draft.p_min = arguments.speculative_probability
    draft.n_gpu_layers = 0
    draft.cpuparams.n_threads = draft.cpuparams_batch.n_threads = arguments.threads


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def main() -> None:
    """Load, say where, and wait for the end."""
    arguments = _arguments()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's, which lets answers finish
    # Only the ready line goes to stdout, whatever C++ prints.
    ready = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    watch = threading.Thread(target=_end_with_parent)
    watch.start()
    began = time.monotonic()
    try:
        server = xllamacpp.Server(_params(arguments))
    except Exception as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)
    port = int(server.listening_address.rpartition(":")[2])
    ready.write(json.dumps({"port": port, "load_s": round(time.monotonic() - began, 3)}) + "\n")
    ready.flush()
    watch.join()


if __name__ == "__main__":
    main()

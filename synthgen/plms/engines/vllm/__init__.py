"""vLLM as a child process: where it is, how it is asked to serve a PLM, how it lives and how it ends."""

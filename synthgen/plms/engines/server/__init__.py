"""Any OpenAI-compatible server: vLLM, SGLang, Ollama, llama.cpp, hosted APIs."""

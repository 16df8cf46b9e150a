"""The clients: what each is called in docs/clients.md, and which script shows that it works."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

SCRIPTS = Path(__file__).parent / "scripts"
NODE = Path(__file__).parent / "node"


@dataclass(frozen=True)
class Client:
    """environment: one of environments.py, or `node`. path: of its base URL.

    part: the script's argument, where one script serves several clients. hides_errors: it tells its user nothing of
    what a server says. logits: it gives those, and not probabilities. most: documents that it sends at most.
    """

    name: str
    environment: str
    script: str
    path: str = ""
    part: str | None = None
    hides_errors: bool = False
    logits: bool = False
    most: int | None = None

    @property
    def file(self) -> Path:
        """The script."""
        return (NODE if self.environment == "node" else SCRIPTS) / self.script

    @property
    def configuration(self) -> str:
        """The lines of the script that a user needs, between `# docs` and `# end`, with values filled in."""
        note = "//" if self.environment == "node" else "#"
        lines = self.file.read_text(encoding="utf-8").splitlines()
        begins = (f"{note} docs", f"{note} docs {self.part}")
        begin = next(number for number, line in enumerate(lines) if line.strip() in begins)
        length = [line.strip() for line in lines[begin:]].index(f"{note} end")
        text = dedent("\n".join(lines[begin + 1 : begin + length]))
        for place, value in _VALUES.items():
            text = text.replace(place, value)
        return text.replace("<URL>", f'"http://127.0.0.1:8000{self.path}"').replace("PART", self.part or "")


_VALUES = {
    "case.url": "<URL>",
    "given.url": "<URL>",
    'f"Bearer {case.key}"': '"Bearer KEY"',
    "case.key": '"KEY"',
    "given.key": '"KEY"',
    'f"{provider}/{model}"': '"PART/MODEL"',
    "api_provider=provider": 'api_provider="PART"',
    "case.query": "query",
    "case.documents": "documents",
    "model=model": 'model="MODEL"',
    "case.model": '"MODEL"',
    "top_n=top_n": "top_n=10",
    ", **options": "",
    "return ": "",
}


CLIENTS = (
    Client("cohere `ClientV2`", "general", "use_cohere.py"),
    Client("cohere 5 `ClientV2`", "frameworks", "use_cohere.py"),
    Client("cohere `Client`", "general", "use_cohere_v1.py"),
    Client("cohere 5 `Client`", "frameworks", "use_cohere_v1.py"),
    Client("litellm `cohere/`", "general", "use_litellm.py", "", "cohere"),
    Client("litellm `jina_ai/`", "general", "use_litellm.py", "", "jina_ai"),
    Client("litellm `hosted_vllm/`", "general", "use_litellm.py", "", "hosted_vllm"),
    Client("litellm `huggingface/`", "general", "use_litellm.py", "", "huggingface"),
    Client("litellm `voyage/`", "general", "use_litellm.py", "/voyage", "voyage"),
    Client("litellm `infinity/`", "general", "use_litellm.py", "/infinity", "infinity"),
    Client("litellm `azure_ai/`", "general", "use_litellm.py", "", "azure_ai"),
    Client("litellm `dashscope/`", "general", "use_litellm.py", "/compatible-api/v1/reranks", "dashscope"),
    Client("litellm `deepinfra/`", "general", "use_litellm.py", "/v1", "deepinfra"),
    Client("litellm `nvidia_nim/`", "general", "use_litellm.py", "", "nvidia_nim", logits=True),
    Client("litellm `scaleway/`", "general", "use_litellm.py", "/v1", "scaleway"),
    Client("litellm `together_ai/`", "general", "use_litellm.py", "/v1", "together_ai"),
    Client("litellm `watsonx/`", "general", "use_litellm.py", "", "watsonx"),
    Client("openai 2", "general", "use_openai.py", "/v1"),
    Client("openai 3", "haystack", "use_openai.py", "/v1"),
    Client("voyageai", "general", "use_voyageai.py", "/voyage/v1"),
    Client("rerankers `cohere`", "general", "use_rerankers.py", "/v1/rerank", "cohere", True),
    Client("rerankers `jina`", "general", "use_rerankers.py", "/v1/rerank", "jina", True),
    Client("rerankers `voyage`", "general", "use_rerankers.py", "/v1/rerank", "voyage", True),
    Client(
        "rerankers `text-embeddings-inference`",
        "general",
        "use_rerankers.py",
        "/rerank",
        "text-embeddings-inference",
        True,
    ),
    Client(
        "rerankers `mixedbread.ai`", "general", "use_rerankers.py", "/v1/reranking", "mixedbread.ai", True
    ),
    Client("langchain-cohere `CohereRerank`", "frameworks", "use_langchain_cohere.py"),
    Client("llama-index `TextEmbeddingInference`", "frameworks", "use_llamaindex.py", "", "tei-rerank", True),
    Client("llama-index `CohereRerank`", "frameworks", "use_llamaindex.py", "", "cohere-rerank"),
    Client("llama-index `JinaRerank`", "frameworks", "use_llamaindex.py", "/v1", "jinaai-rerank"),
    Client("haystack `HuggingFaceTEIRanker`", "haystack", "use_haystack.py", "", "huggingface-api-haystack"),
    Client("haystack `CohereRanker`", "haystack", "use_haystack.py", "", "cohere-haystack", most=1000),
    Client("haystack `JinaRanker`", "haystack", "use_haystack.py", "/v1/rerank", "jina-haystack"),
    Client("haystack `VLLMRanker`", "haystack", "use_haystack.py", "/v1", "vllm-haystack"),
    Client("dashscope `TextReRank`", "services", "use_services.py", "/api/v1", "dashscope"),
    Client("openrouter", "services", "use_services.py", "/api/v1", "openrouter"),
    Client("pinecone", "services", "use_services.py", "", "pinecone"),
    Client("xinference-client", "services", "use_services.py", "", "xinference-client"),
    Client("together", "services", "use_services.py", "/v1", "together"),
    Client("mixedbread", "services", "use_services.py", "", "mixedbread"),
    Client("contextual-client", "services", "use_services.py", "/v1", "contextual-client"),
    Client("zeroentropy", "services", "use_services.py", "/v1", "zeroentropy"),
    Client("boto3 `bedrock-agent-runtime`", "services", "use_services.py", "", "boto3"),
    Client("easyrerank", "services", "use_small_clients.py", "/v1/rerank", "easyrerank"),
    Client("openai-simple-rerank", "services", "use_small_clients.py", "/v1", "openai-simple-rerank", True),
    Client("jina-cli", "services", "use_small_clients.py", "", "jina-cli", True),
    Client(
        "langchain `NVIDIARerank`",
        "more-frameworks",
        "use_more_frameworks.py",
        "/v1",
        "langchain-nvidia-ai-endpoints",
        logits=True,
    ),
    Client(
        "langchain `VoyageAIRerank`",
        "more-frameworks",
        "use_more_frameworks.py",
        "/voyage/v1",
        "langchain-voyageai",
    ),
    Client(
        "langchain-reranker `init_reranker`",
        "more-frameworks",
        "use_more_frameworks.py",
        "/v1",
        "langchain-reranker",
        True,
    ),
    Client(
        "llama-index `NVIDIARerank`",
        "more-frameworks",
        "use_more_frameworks.py",
        "/v1",
        "llama-index-postprocessor-nvidia-rerank",
        True,
        True,
    ),
    Client(
        "llama-index `DashScopeRerank`",
        "more-frameworks",
        "use_more_frameworks.py",
        "/api/v1",
        "llama-index-postprocessor-dashscope-rerank",
        True,
    ),
    Client("infinity_client", "infinity", "use_infinity.py", "/infinity/v1"),
    Client("huggingface_hub `InferenceClient`", "infinity", "use_huggingface_hub.py", "/embed"),
    Client("Node: cohere-ai `CohereClientV2`", "node", "cohere-v2.js"),
    Client("Node: cohere-ai `CohereClient`", "node", "cohere-v1.js"),
    Client("Node: @ai-sdk/cohere", "node", "ai-sdk.js", "/v2", "@ai-sdk/cohere"),
    Client("Node: @ai-sdk/togetherai", "node", "ai-sdk.js", "/v1", "@ai-sdk/togetherai"),
    Client("Node: voyage-ai-provider", "node", "ai-sdk.js", "/voyage/v1", "voyage-ai-provider"),
    Client("Node: voyageai", "node", "voyage.js", "/voyage/v1"),
    Client("Node: @langchain/cohere", "node", "services.js", "", "@langchain/cohere"),
    Client("Node: @mixedbread/sdk", "node", "services.js", "", "@mixedbread/sdk"),
    Client("Node: @openrouter/sdk", "node", "services.js", "/api/v1", "@openrouter/sdk"),
    Client(
        "Node: @pinecone-database/pinecone", "node", "services.js", "", "@pinecone-database/pinecone", True
    ),
    Client("Node: contextual-client", "node", "services.js", "/v1", "contextual-client"),
    Client("Node: together-ai", "node", "services.js", "/v1", "together-ai"),
    Client("Node: zeroentropy", "node", "services.js", "/v1", "zeroentropy"),
)

"""Clients of embeddings: python use_embeddings.py PART, the case as JSON on stdin, vectors as JSON on stdout."""

import json
import sys

part, case = sys.argv[1], json.load(sys.stdin)
url, key, model, texts, query = (case[name] for name in ("url", "key", "model", "texts", "query"))
told = {}

if part == "openai":
    # docs openai
    from openai import OpenAI

    client = OpenAI(api_key=key, base_url=f"{url}/v1")
    found = client.embeddings.create(model=model, input=texts)
    # end
    told["documents"] = [row.embedding for row in found.data]  # base64 on the way
    asked = client.embeddings.create(
        model=model, input=[query], encoding_format="float", dimensions=32, extra_body={"input_type": "query"}
    )
    told["query32"] = asked.data[0].embedding
    told["tokens"] = found.usage.total_tokens
    try:
        client.embeddings.create(model=model, input=texts, dimensions=8)
    except Exception as error:
        told["refusal"] = f"{type(error).__name__}: {error}"
elif part == "cohere":
    # docs cohere
    import cohere

    client = cohere.ClientV2(api_key=key, base_url=url)
    found = client.embed(
        model=model, texts=texts, input_type="search_document", embedding_types=["float", "int8"]
    )
    # end
    told["documents"] = found.embeddings.float_
    told["int8"] = found.embeddings.int8
    asked = client.embed(
        model=model,
        texts=[query],
        input_type="search_query",
        embedding_types=["float"],
        output_dimension=32,
    )
    told["query32"] = asked.embeddings.float_[0]
    old = cohere.Client(api_key=key, base_url=url)
    told["v1"] = old.embed(model=model, texts=texts, input_type="search_document").embeddings
elif part == "voyageai":
    # docs voyageai
    import voyageai

    client = voyageai.Client(key, base_url=f"{url}/v1")
    found = client.embed(texts, model=model, input_type="document")
    # end
    told["documents"] = found.embeddings
    told["tokens"] = found.total_tokens
    told["query32"] = client.embed([query], model=model, input_type="query", output_dimension=32).embeddings[
        0
    ]
    told["int8"] = client.embed(texts, model=model, input_type="document", output_dtype="int8").embeddings
elif part == "langchain-openai":
    # docs langchain-openai
    from langchain_openai import OpenAIEmbeddings

    client = OpenAIEmbeddings(
        model=model, api_key=key, base_url=f"{url}/v1", check_embedding_ctx_length=False
    )
    told["documents"] = client.embed_documents(texts)
    # end
elif part == "huggingface_hub":
    # docs huggingface_hub
    from huggingface_hub import InferenceClient

    client = InferenceClient(base_url=f"{url}/embed", api_key=key)
    told["documents"] = [client.feature_extraction(text)[0].tolist() for text in texts]
    # end

print("\n" + json.dumps(told))

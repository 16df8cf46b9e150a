#!/usr/bin/env bash
# dashscope: a reranked document that the service sends back is None as an attribute, and there as a key.
#
# Expected: response.output.results[0].document is what the service sent, as index and relevance_score beside it are.
# What happens: the class declares `document: Dict = None` and keeps its values in a dict; the class's own None is found
# before __getattr__ is asked, so the attribute is always None. result["document"] has the text.
# Where it bites: code that asks for return_documents and reads hit.document ranks, and then shows or feeds on nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check "dashscope==2.0.2"
HOME="$folder" "$folder/venv/bin/python" - <<'PYTHON'
import sys
from importlib.metadata import version

from dashscope.api_entities.dashscope_response import ReRankOutput

sent = [{"index": 0, "relevance_score": 0.9, "document": {"text": "the text that was ranked"}}]
hit = ReRankOutput(results=sent).results[0]
print("dashscope", version("dashscope"))
print("index", hit.index, "relevance_score", hit.relevance_score)
print("attribute:", hit.document, " key:", hit["document"])
sys.exit(not (hit.document is None and hit["document"] == sent[0]["document"]))
PYTHON

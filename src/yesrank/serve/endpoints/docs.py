"""The page at /docs: made from openapi.json, without scripts or styles of other machines."""

import html
import json
from typing import Any

_HEAD = """<!doctype html><html lang="en"><meta charset="utf-8"><title>yesrank</title>
<meta name="viewport" content="width=device-width">
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
details{border:1px solid #ccc;border-radius:6px;margin:.5rem 0;padding:.4rem .8rem}
summary{cursor:pointer} code,pre,textarea{font:13px/1.4 ui-monospace,monospace}
textarea,pre{width:100%;box-sizing:border-box;background:#f6f6f6;border:1px solid #ddd;border-radius:4px;padding:.5rem}
pre{white-space:pre-wrap;overflow-wrap:anywhere} b.verb{display:inline-block;width:3.5rem}
@media(prefers-color-scheme:dark){body{color:#ddd;background:#161616}textarea,pre{color:#ddd;background:#222}}
</style>
"""
_SCRIPT = """<script>
const key = document.getElementById("key");
for (const form of document.forms) form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const shown = form.querySelector("pre"), body = form.querySelector("textarea");
  const headers = key.value ? {"x-api-key": key.value} : {};
  if (body) headers["content-type"] = "application/json";
  const path = form.dataset.path.replace(/{(.*?)}/g, (_, name) => form.elements[name].value);
  const begun = performance.now();
  try {
    const answer = await fetch(document.body.dataset.root + path,
      {method: form.dataset.verb, headers, body: body && body.value});
    const text = await answer.text(), took = Math.round(performance.now() - begun);
    let pretty = text;
    try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch {}
    shown.textContent = `${answer.status} ${answer.statusText} in ${took} ms\\n${pretty}`;
  } catch (error) { shown.textContent = String(error); }
});
</script>
"""


def page(openapi: dict[str, Any], root_path: str) -> str:
    """The whole page."""
    info = openapi["info"]
    sections = "".join(
        _operation(path, verb, operation)
        for path, operations in openapi["paths"].items()
        for verb, operation in operations.items()
        if verb in ("get", "post")
    )
    return (
        f'{_HEAD}<body data-root="{_text(root_path)}"><h1>{_text(info["title"])} {_text(info["version"])}</h1>'
        f"<p>{_text(info['description'])}</p>"
        '<p><label>API key, where the server has one: <input id="key" type="password"></label> '
        f'<a href="{_text(root_path)}/openapi.json">openapi.json</a></p>{sections}{_SCRIPT}</body></html>'
    )


def _operation(path: str, verb: str, operation: dict[str, Any]) -> str:
    examples = _examples(operation) or [("", None)]
    forms = "".join(_form(path, verb, summary, value) for summary, value in examples)
    return (
        f'<details><summary><b class="verb">{verb.upper()}</b> <code>{_text(path)}</code> '
        f"{_text(operation.get('summary', ''))}</summary><p>{_text(operation.get('description', ''))}</p>"
        f"{forms}{_responses(operation)}</details>"
    )


def _examples(operation: dict[str, Any]) -> list[tuple[str, Any]]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return [(each.get("summary", name), each["value"]) for name, each in content.get("examples", {}).items()]


def _form(path: str, verb: str, summary: str, value: Any) -> str:
    names = [part.split("}")[0] for part in path.split("{")[1:]]
    inputs = "".join(f'<label>{name} <input name="{name}" required></label> ' for name in names)
    body = ""
    if value is not None:
        text = json.dumps(value, indent=2, ensure_ascii=False)
        body = f'<textarea rows="{text.count(chr(10)) + 1}">{_text(text)}</textarea>'
    return (
        f'<form data-path="{_text(path)}" data-verb="{verb.upper()}"><p>{_text(summary)}</p>{inputs}{body}'
        "<p><button>Send</button></p><pre></pre></form>"
    )


def _responses(operation: dict[str, Any]) -> str:
    rows = [
        f"<li><code>{code}</code> {_text(each['description'])}"
        for code, each in operation["responses"].items()
    ]
    return f"<ul>{''.join(rows)}</ul>"


def _text(value: str) -> str:
    return html.escape(value, quote=True)

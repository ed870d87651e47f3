"""Makes `hark/api/types.py` and `hark/api/calls.py` from the document of a server.

    python3 make_api.py openapi.json [FOLDER]
"""

import json
import keyword
import sys
import textwrap
from pathlib import Path
from typing import Any, Dict, List, Tuple

HEAD = '"""Made by make_api.py from the server\'s own document: not edited by hand."""\n\n'

# What the client sends by itself.
OURS = {"If-None-Match", "Idempotency-Key", "If-Match"}

# What never ends is `Client.live`; what is signed by agents is no client's.
LEFT_OUT_TAGS = {"agent"}
LEFT_OUT = {"/api/0/stream"}


def name_of(schema: Dict[str, Any]) -> str:
    return "".join(part[:1].upper() + part[1:] for part in schema["$ref"].rsplit("/", 1)[1].split("_"))


def class_of(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def annotation(schema: Dict[str, Any]) -> str:
    if "$ref" in schema:
        return '"{}"'.format(name_of(schema))
    for word in ("oneOf", "anyOf"):
        if word in schema:
            parts = sorted({annotation(part) for part in schema[word]})
            return parts[0] if len(parts) == 1 else "Union[{}]".format(", ".join(parts))
    if "enum" in schema:
        return "Literal[{}]".format(", ".join(json.dumps(word) for word in schema["enum"]))
    kinds = schema.get("type", "any")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    parts = [one(kind, schema) for kind in kinds]
    return parts[0] if len(parts) == 1 else "Union[{}]".format(", ".join(parts))


def one(kind: str, schema: Dict[str, Any]) -> str:
    if kind == "array":
        items = schema.get("items")
        return "List[{}]".format(annotation(items) if isinstance(items, dict) and items else "Any")
    if kind == "object":
        values = schema.get("additionalProperties")
        return "Dict[str, {}]".format(annotation(values) if isinstance(values, dict) else "Any")
    return {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}.get(
        kind, "Any"
    )


def fields_of(document: Dict[str, Any], schema: Dict[str, Any]) -> Tuple[Dict[str, Any], set]:
    if "$ref" in schema:
        return fields_of(document, document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]])
    fields: Dict[str, Any] = {}
    needed = set(schema.get("required", []))
    for part in schema.get("allOf", []):
        more, also = fields_of(document, part)
        fields.update(more)
        needed |= also
    fields.update(schema.get("properties", {}))
    return fields, needed


def text_of(text: str, indent: str) -> str:
    lines = textwrap.wrap(" ".join(text.split()), 110 - len(indent))
    if not lines:
        return ""
    lines[0] = '"""' + lines[0]
    lines[-1] += '"""'
    return "".join(indent + line.replace("\\", "\\\\") + "\n" for line in lines)


def types(document: Dict[str, Any]) -> str:
    out = HEAD + "from typing import Any, Dict, List, Union\n"
    out += (
        "import sys\n\nif sys.version_info >= (3, 11):\n"
        "    from typing import Literal, NotRequired, TypedDict\n"
        "else:\n    # Older ones know no fields that may be absent: there none may, and only tools notice.\n"
        "    from typing import Literal, TypedDict\n\n    class NotRequired:\n"
        "        def __class_getitem__(cls, item: Any) -> Any:\n            return item\n\n"
    )
    aliases: List[str] = []
    for name, schema in sorted(document["components"]["schemas"].items()):
        name = class_of(name)
        fields, needed = fields_of(document, schema)
        if not fields:
            aliases.append("{} = {}\n".format(name, annotation(schema)))
            continue
        # A class cannot have fields such as `type` of `self` that are no names in Python.
        lines = []
        for field, value in sorted(fields.items()):
            kind = annotation(value)
            lines.append('        "{}": {},\n'.format(field, kind if field in needed else "NotRequired[{}]".format(kind)))
        out += '\n{0} = TypedDict(\n    "{0}",\n    {{\n{1}    }},\n)\n'.format(name, "".join(lines))
    return out + "\n" + "".join(aliases)


def argument(name: str) -> str:
    name = name.replace("-", "_").replace(".", "_").lower()
    return name + "_" if keyword.iskeyword(name) else name


def calls(document: Dict[str, Any]) -> str:
    body = ""
    for path, item in sorted(document["paths"].items()):
        for method in ("get", "post", "put", "delete"):
            operation = item.get(method)
            if operation and not LEFT_OUT_TAGS & set(operation.get("tags", [])) and path not in LEFT_OUT:
                body += call(path, method, operation)
    used = sorted({name for name in map(class_of, document["components"]["schemas"]) if "t.{}".format(name) in body})
    assert used, "no type is used"
    return (
        HEAD
        + "from typing import Any, Dict, List, Optional, Union, cast\n\nfrom . import types as t\n"
        + "from .transport import Query, Transport, part\n\n\nclass Calls(Transport):\n"
        + '    """A method for each path of the API."""\n\n'
        + "    def read(self, path: str, query: Optional[Query] = None) -> Any:\n"
        + '        """Returns what is at a path."""\n'
        + '        return self.request("GET", path, query).value()\n'
        + body
    )


def outside(kind: str) -> str:
    """Writes a type as it is called from another file."""
    out, rest = "", kind
    while '"' in rest:
        before, name, rest = rest.split('"', 2)
        out += before + "t." + name
    return out + rest


def call(path: str, method: str, operation: Dict[str, Any]) -> str:
    parameters = operation.get("parameters", [])
    parts = [p for p in parameters if p["in"] == "path"]
    query = [p for p in parameters if p["in"] == "query" and p["name"] != "format"]
    arguments = ["self"]
    arguments += ["{}: {}".format(argument(p["name"]), outside(annotation(p["schema"]))) for p in parts]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if content:
        arguments.append("body: {}".format(outside(annotation(content["schema"]))))
    is_write = method != "get"
    optional = []
    for p in sorted(query, key=lambda p: not p.get("required", False)):
        kind = outside(annotation(p["schema"]))
        if p.get("required", False):
            optional.append("{}: {}".format(argument(p["name"]), kind))
        else:
            kind = kind if "None" in kind else "Optional[{}]".format(kind)
            optional.append("{}: {} = None".format(argument(p["name"]), kind))
    if is_write:
        optional += ["if_match: Optional[str] = None", "key: Optional[str] = None"]
    if optional:
        arguments += ["*"] + optional
    answer = "None"
    for status in ("200", "202"):
        found = operation["responses"].get(status, {}).get("content", {})
        if "application/json" in found:
            answer = outside(annotation(found["application/json"]["schema"]))
            break
        if found:
            answer = "str"
            break
    if "202" in operation["responses"] and "200" in operation["responses"]:
        answer = outside(annotation(operation["responses"]["200"]["content"]["application/json"]["schema"]))
    target = '"{}"'.format(path)
    if parts:
        shown = path
        for p in parts:
            shown = shown.replace("{" + p["name"] + "}", "{}")
        target += ""
        target = '"{}".format({})'.format(shown, ", ".join("part({})".format(argument(p["name"])) for p in parts))
    out = "\n    def {}(\n        {}\n    ) -> {}:\n".format(
        argument(operation["operationId"]), ", ".join(arguments), answer
    )
    out += text_of(operation.get("summary", "") or operation.get("description", ""), "        ")
    if query:
        pairs = ", ".join('"{}": {}'.format(p["name"], argument(p["name"])) for p in query)
        out += "        query: Query = {{{}}}\n".format(pairs)
    given = "query" if query else "None"
    if not is_write:
        found = "self.read({}, {})".format(target, given)
    else:
        out += "        headers: Dict[str, str] = {}\n"
        out += '        if if_match is not None:\n            headers["If-Match"] = if_match\n'
        out += '        if key is not None:\n            headers["Idempotency-Key"] = key\n'
        sent = "body" if content else "None"
        found = 'self.request("{}", {}, {}, {}, headers).value()'.format(method.upper(), target, given, sent)
    if answer == "None":
        return out + "        {}\n".format(found)
    return out + "        return cast({}, {})\n".format(answer, found)


def main() -> None:
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(__file__).parent / "hark" / "api"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "types.py").write_text(types(document), encoding="utf-8")
    (folder / "calls.py").write_text(calls(document), encoding="utf-8")


if __name__ == "__main__":
    main()

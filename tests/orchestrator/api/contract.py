"""Does an answer keep what the OpenAPI document promises? The part of JSON Schema that FastAPI writes."""

import re
from typing import Any

import httpx

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")


class Contract:
    """Checks answers against a document; remembers which promises were seen."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.seen: set[tuple[str, str, str]] = set()

    def check(self, response: httpx.Response) -> None:
        """An event hook: each answer of a known path has a declared status and body."""
        response.read()
        path = self._template(response.request.url.path)
        operation = self.document["paths"].get(path, {}).get(response.request.method.lower())
        if operation is None:
            return
        status = str(response.status_code)
        promised = operation["responses"].get(status)
        assert promised is not None, (
            f"{response.request.method} {path} may not answer {status}: {response.text}"
        )
        self.seen.add((response.request.method, path, status))
        for header in promised.get("headers", {}):
            assert header in response.headers, f"{path} {status} without {header}"
        schema = promised.get("content", {}).get("application/json", {}).get("schema")
        if schema is not None:
            wrong = list(self.violations(schema, response.json(), "$"))
            assert not wrong, f"{path} {status}: {wrong}"
        elif "content" not in promised:
            assert not response.content, f"{path} {status} promises no body"

    def _template(self, path: str) -> str:
        for template in self.document["paths"]:
            if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), path) and "{" not in path:
                return str(template)
        return path

    def violations(self, schema: dict[str, Any], value: Any, at: str) -> Any:
        """What is wrong with `value`, one line each."""
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        if "anyOf" in schema:
            if all(list(self.violations(option, value, at)) for option in schema["anyOf"]):
                yield f"{at}: {value!r} fits no option"
            return
        expected = schema.get("type")
        if expected and (not isinstance(value, TYPES[expected]) or (expected != "boolean" and value is True)):
            yield f"{at}: {value!r} is not {expected}"
            return
        if "enum" in schema and value not in schema["enum"]:
            yield f"{at}: {value!r} is not one of {schema['enum']}"
        if schema.get("const", value) != value:
            yield f"{at}: {value!r} is not {schema['const']!r}"
        if schema.get("format") == "date-time" and not DATE_TIME.fullmatch(value):
            yield f"{at}: {value!r} is not a UTC time"
        if isinstance(value, list):
            for index, item in enumerate(value):
                yield from self.violations(schema.get("items", {}), item, f"{at}[{index}]")
        if isinstance(value, dict):
            yield from self._object_violations(schema, value, at)

    def _object_violations(self, schema: dict[str, Any], value: dict[str, Any], at: str) -> Any:
        known = schema.get("properties", {})
        yield from (f"{at}.{name} is missing" for name in schema.get("required", []) if name not in value)
        others = schema.get("additionalProperties", True)
        for name, item in value.items():
            inner = known.get(name, others)
            if inner is False:
                yield f"{at}.{name} is not promised"
            elif isinstance(inner, dict):
                yield from self.violations(inner, item, f"{at}.{name}")

"""What a JSON schema cannot express, for schemathesis (e2e/openapi/schemathesis.test.ts).

Positive cases are changed so that they keep rules that concern several fields, name a model that
exists, and ask for short answers. Negative cases stay as they are, or are left out.
"""

import json

import schemathesis
from schemathesis import GenerationMode

MODEL = "sim"
MOST_TOKENS = 4
FUTURE = "2099-01-01T00:00:00Z"
INFERENCE = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/messages",
    "/v1/responses",
    "/api/chat",
    "/api/generate",
)


@schemathesis.deserializer("application/x-ndjson")
def first_line(context, response):
    return json.loads(response.content.split(b"\n", 1)[0])


@schemathesis.deserializer("text/event-stream")
def event_payloads(context, response):
    """The schema of a stream describes the JSON in the data of each event."""
    lines = response.content.decode().split("\n")
    payloads = [line[len("data: ") :] for line in lines if line.startswith("data: ")]
    return [json.loads(payload) for payload in payloads if payload != "[DONE]"]


@schemathesis.hook
def filter_case(context, case):
    """Leaves out numbers as files: a form has no types, so they arrive as texts, which are valid."""
    if context.operation.path != "/v1/files" or not isinstance(case.body, dict):
        return True
    return not isinstance(case.body.get("file"), (int, float))


@schemathesis.hook
def map_case(context, case):
    is_positive = case.meta is not None and case.meta.generation.mode == GenerationMode.POSITIVE
    if is_positive and isinstance(case.body, dict):
        case.body = coherent(context.operation.path, case.body)
    # `after` is the id of a row of a list that only this network knows.
    if is_positive and context.operation.path.startswith(("/v1/conversations/", "/v1/files", "/v1/batches")):
        case.query.pop("after", None)
    # Both name a place in the list, and only this network knows the ids.
    if is_positive and context.operation.path == "/v1/messages/batches":
        for field in ("after_id", "before_id"):
            case.query.pop(field, None)
    return case


def coherent(path, body):
    body = dict(body)
    # A key or an invite that has expired would never work.
    if body.get("expires_at") is not None:
        body["expires_at"] = FUTURE
    # The models of the test have no vision.
    body.pop("requires", None)
    # The lifetime of a file needs both of its fields.
    lifetime = ("expires_after[anchor]", "expires_after[seconds]")
    if path == "/v1/files" and not all(field in body for field in lifetime):
        for field in lifetime:
            body.pop(field, None)
    # Each request of a batch has a name of its own.
    if path == "/v1/messages/batches" and isinstance(body.get("requests"), list):
        named = {one.get("custom_id"): one for one in body["requests"] if isinstance(one, dict)}
        body["requests"] = list(named.values())
    if path.startswith(INFERENCE) and "model" in body:
        body = without_images(body)
        body["model"] = MODEL
        body.pop("models", None)
        # The network of the test has no machine that fits arbitrary wishes.
        body.pop("provider", None)
        shorten(path, body)
        with_tools(body)
        for repair in (repair_chat, repair_messages, repair_responses):
            repair(path, body)
    return body


def without_images(value):
    if isinstance(value, list):
        return [without_images(one) for one in value if not is_image(one)]
    if isinstance(value, dict):
        kept = {name: without_images(one) for name, one in value.items() if name != "images"}
        # A list of images only has become empty.
        if kept.get("content") == [] and value["content"]:
            kept["content"] = ""
        return kept
    return value


def is_image(value):
    return isinstance(value, dict) and value.get("type") in ("image", "image_url", "input_image")


def shorten(path, body):
    for field in ("max_tokens", "max_completion_tokens", "max_output_tokens"):
        if body.get(field) is not None:
            body[field] = MOST_TOKENS
    if path.startswith("/api/"):
        body["options"] = {**(body.get("options") or {}), "num_predict": MOST_TOKENS}
    elif not any(body.get(field) for field in ("max_tokens", "max_completion_tokens", "max_output_tokens")):
        is_responses = path.startswith("/v1/responses")
        body["max_output_tokens" if is_responses else "max_tokens"] = MOST_TOKENS


def with_tools(body):
    """A choice of a tool needs this tool."""
    choice = body.get("tool_choice")
    if choice not in (None, "auto", "none"):
        body.pop("tool_choice")


def repair_chat(path, body):
    if path not in ("/v1/chat/completions", "/v1/completions"):
        return
    if body.get("top_logprobs") is not None and path == "/v1/chat/completions":
        body["logprobs"] = True
    # Both name an effort.
    if body.get("reasoning") is not None:
        body.pop("reasoning_effort", None)
    # Arbitrary ids are not the tokens of a text.
    if isinstance(body.get("prompt"), list) and not all(isinstance(one, str) for one in body["prompt"]):
        body["prompt"] = "Hello"
    # The number of choices is n for each prompt.
    if isinstance(body.get("prompt"), list):
        body.pop("n", None)
    # Needs a last message of the assistant.
    body.pop("continue_final_message", None)


def repair_messages(path, body):
    if not path.startswith("/v1/messages") or not body.get("messages"):
        return
    # A last message of the assistant is the beginning of the answer.
    body["messages"] = [*body["messages"], {"role": "user", "content": "Hello"}]


def repair_responses(path, body):
    if not path.startswith("/v1/responses"):
        return
    # The ids of responses that this key has not stored.
    for field in ("previous_response_id", "conversation"):
        body.pop(field, None)
    if body.get("background") is True:
        body["store"] = True
        body.pop("stream", None)
    if path.endswith("/compact") or path.endswith("/input_tokens"):
        for field in ("background", "store", "stream"):
            body.pop(field, None)
    if isinstance(body.get("input"), list):
        # An output needs its call before it, and a compaction the key with which it was made.
        items = [
            item
            for item in body["input"]
            if isinstance(item, dict) and item.get("type") not in ("function_call_output", "compaction")
        ]
        body["input"] = [*items, {"role": "user", "content": "Hello"}]

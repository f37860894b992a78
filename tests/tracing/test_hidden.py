"""What a name says is a secret or somebody is taken out of documents, and out of text in which pieces of them stand."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syscard_tracing.hidden import EVERY, SECRETS, Search

TOLD = {
    "a member": '{"password": "hunter2"}',
    "a member behind a blank": ' {"password": "hunter2"}',
    "a member within text": 'The tool said {"password": "hunter2", "n": 1} and went on.',
    "a member of Python's repr": "called with {'password': 'hunter2'} at once",
    "a member in another's quotes": """called with {"password": 'hunter2'}""",
    "a document written as a string": json.dumps(json.dumps({"password": "hunter2"})),
    "such a string within text": 'said "' + json.dumps({"password": "hunter2"}).replace('"', '\\"') + '" twice',
    "a document that is cut off": '{"a": 1, "password": "hunter2',
    "a document that is cut off inside a member": '{"password": {"value": "hunter2", "n": [1',
    "a member of a secret's member": '{"password": {"value": "hunter2"}}',
    "a list below a secret": '{"api_key": ["hunter2", {"deep": "hunter2"}]}',
    "a bare value": "{password: 1}, {'token': hunter2}",
    "one line of many": '{"n": 1}\n{"password": "hunter2"}\n{"n": 2}',
    "a header": '["Authorization", "hunter2"]',
    "a header within text": 'sent ["Authorization", "hunter2"] to it',
    "headers in one list": '["accept", "x", "x-api-key", "hunter2"]',
    "a named value": '{"name": "password", "value": "hunter2"}',
    "a named value of another make": '{"Name": "password", "Value": "hunter2"}',
    "a named value that is cut off": '[{"key": "authorization", "value": "hunter2"}, {',
    "metadata of gRPC": "_Metadatum(key='authorization', value='hunter2')",
    "a field of a form": '<input name="password" value="hunter2">',
    "a hash of Ruby": '{"password" => "hunter2"}',
    "an object in its repr": "{'password': SecretStr('hunter2'), 'n': 1}",
    "far apart": 'x {"password"      :      "hunter2"}',
}
STAYS = [
    "hunter2 is a name of a game",
    '{"password": true}',
    '{"password": ""}',
    '{"password": null}, so nothing',
    '["password", "login", "hunter2"]',
    'choose "password", "token" or "key"',
    '{"user": "what is it for?", "assistant": "a shop"}',
]


def without(value: Any, hide: Any = EVERY) -> str:
    found = Search(hide).without(value)
    return found if isinstance(found, str) else json.dumps(found)


@pytest.mark.parametrize("text", TOLD.values(), ids=TOLD.keys())
def test_a_secret_is_taken_out_by_its_name(text: str) -> None:
    search = Search(SECRETS)
    assert "hunter2" not in json.dumps(search.without(text))
    assert search.hits == 1


@pytest.mark.parametrize("text", STAYS)
def test_what_has_no_such_name_stays(text: str) -> None:
    search = Search(EVERY)
    search.without(text)
    assert search.hits == 0


def test_a_user_stays_where_only_secrets_are_looked_for() -> None:
    text = 'Said {"user_id": "u-4711", "password": "hunter2"} to it.'
    assert without(text, SECRETS) == 'Said {"user_id": "u-4711", "password": "[secret]"} to it.'
    assert without(text) == 'Said {"user_id": "[user]", "password": "[secret]"} to it.'


def test_the_text_around_it_stays_as_it_was() -> None:
    assert without("before 'token' : 'a\\'b', after") == "before 'token' : '[secret]', after"


def test_a_picture_is_no_text() -> None:
    assert without("see data:image/png;base64,iVBORw0KGgo= here") == "see [image] here"
    assert without({"type": "image", "data": "iVBORw0KGgo="}) == '{"type": "image"}'


def test_a_document_that_is_nested_too_deep_is_cut() -> None:
    tree: Any = "deep inside"
    for _ in range(40):
        tree = [tree]
    assert "deep inside" not in without(tree)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text() | st.just("password"), inner, max_size=4),
    max_leaves=12,
)
SAID = st.text(st.characters(codec="ascii", exclude_characters="\"'\\{}[],:"), min_size=1).map(lambda said: f"x{said}y")


def test_a_word_behind_the_name_of_a_secret_in_a_list_is_taken_out_but_is_no_sign_of_one() -> None:
    tags, headers = Search(EVERY), Search(EVERY)
    assert tags.without(["bowl", "beer", "pin", "sent"]) == ["bowl", "beer", "pin", "[secret]"]
    assert headers.without(["accept", "x", "x-api-key", "hunter2"]) == ["accept", "x", "x-api-key", "[secret]"]
    assert (tags.hits, headers.hits) == (0, 1)


@given(VALUES, VALUES, st.integers(min_value=0, max_value=200))
def test_no_document_keeps_its_secret_whole_or_cut_off(one: Any, two: Any, cut: int) -> None:
    document = {"one": one, "password": "hunter2", "two": two}
    assert "hunter2" not in without(document)
    assert "hunt" not in without(json.dumps(document)[:cut])


@given(SAID, st.text(max_size=20), st.text(max_size=20))
def test_no_text_around_a_member_keeps_its_secret(said: str, before: str, after: str) -> None:
    secret = f"{said}-4b1d"
    around = before.replace("\\", "/"), after
    text = f"{around[0].replace(chr(34), '')} {json.dumps({'password': secret})} {around[1]}"
    assert secret not in without(text)


@given(VALUES)
def test_what_was_taken_out_once_is_not_taken_out_again(value: Any) -> None:
    once = Search(EVERY).without(value)
    assert Search(EVERY).without(once) == once

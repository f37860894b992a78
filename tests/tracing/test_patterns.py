"""What the rules find, and what only looks like it: a true and a false example of each."""

from __future__ import annotations

import random
import re
import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from syscard_tracing import pii
from syscard_tracing.names import Names, named
from syscard_tracing.patterns import CHECKS, OPAQUE, OPAQUE_CHARS, RULES, SHOWN
from syscard_tracing.pii import SCANNED, SECRETS, mask

# Made up here, in pieces: a scanner for keys must not take this file for a leak.
A20 = "a1B2c3D4e5F6g7H8i9J0"
HEX = "0123456789abcdef" * 2
FOUND = {
    "secret": [
        f"sk-ant-api03-{A20}", f"sk-proj-{A20}", "sk_" + f"live_{A20}", "AKIA" + "IOSFODNN7EXAMPLE",
        "AIza" + A20 + A20[:15],
        "gh" + f"p_{A20}{A20}", "github_" + f"pat_{A20}{A20}", "glp" + f"at-{A20}", "xox" + f"b-1234567890-{A20}",
        "hf" + f"_{A20}{A20[:14]}", "np" + f"m_{A20}{A20[:16]}", "da" + f"pi{HEX}", "SG" + f".{A20}.{A20}{A20}",
        "-----BEGIN RSA PRIVATE KEY----- MIIEow IBAAKC/+ AQEA= -----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\\nMIIEvQ\\nIBADAN\\n-----END PRIVATE KEY-----",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.sig_-nature", "Bearer abc.def-ghi", "password=hunter2",
        "PASSWORD: hunter2",
        'password": "hunter2', '\\"password\\": \\"hunter2', "db_password=hunter2", "pwd%3Dhunter2",
        "wachtwoord: geheim99",
        "client_secret=0123456789", "api-key: 0123456789", "AccountKey=Zm9vYmFyYmF6cXV4",
        "access_token=0123456789abc",
        "pass=hunter2", 'password: "correct horse battery"', "password=ab;hunter2", "--password hunter2",
        "-u bob:hunter2", "-ubob:hunter2", "--user bob:hunter2", "PGPASSWORD=hunter2", "dbPassword=hunter2",
        "clientSecret: 'a1b2c3d4e5'", "?accessToken=0123456789", "SharedAccessKey=0123456789", "--db-password hunter2",
        "--client-secret hunter2", "<clientSecret>hunter2", '<password type="plain">hunter2',
        "password:         hunter2",
        'password=b"hunter2"', "%26password%3Dhunter2",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\nVersion: x 1.0 (y)\n\nAAAA\n=BBBB\n-----END PGP PRIVATE KEY BLOCK-----",
        "<password>hunter2", "Authorization: Token " + A20, "Authorization: " + A20, "Cookie: sid=" + A20 + "; csrf=x1",
        "secret_access_key " + A20 + A20, "mysql -h db -uroot -phunter2",
        "mysqldump -p hunter2", "sshpass -p hunter2", "redis-cli -h x -a hunter2",
        "api_key: |\n    hunter2\n    hunter3\n", "db-password: >-\n  hunter2", "password: |   hunter2horse",
        'DB_PASSWORD"] = "hunter2', "DB_PASSWORD'] = 'hunter2 horse'", "password => 'hunter2 horse'",
        'password = """hunter2 horse"""', 'API_TOKEN"] = "0123456789', "-passin pass:hunter2", "-passout pass:hunter2",
        "machine db.example login bob password hunter2", "default\n  login bob\n  password hunter2",
        "password: | # of the shop\r\n\r\n  hunter2", "password: !!str |\n  hunter2",
        "aws_secret_access_key " + A20 + A20, "key_" + "AKIA" + "IOSFODNN7EXAMPLE", "my_" + "gh" + f"p_{A20}{A20}",
        "abc8Q~" + A20 + A20[:14], "hooks.slack" + ".com/services/T000/B000/XXXX",
    ],
    "login": ["postgres://user:pa55@", "https://jan:geheim@", "redis://:pa55@", "amqp://a:b%40"],
    "basic": ["Basic dXNlcjpwYXNz", "basic YTpi" + "YmJi"],
    "email": [
        "jan@example.org", "jan.de-vries+shop@mail.example.co.uk", "jörg@bücher.example", "jan%40example.org",
        "jan\\u0040example.org", "ｊａｎ＠ｅｘａｍｐｌｅ．ｏｒｇ", "o'brien@example.org", "用户@例子.广告",
        "alice@localhost",
    ],
    "mac": ["00:1B:44:11:3A:B7", "00-1b-44-11-3a-b7"],
    "iban": ["NL91ABNA0417164300", "NL91 ABNA 0417 1643 00", "DE89370400440532013000", "GB29 NWBK 6016 1331 9268 19",
        "DE89-3704-0044-0532-0130-00", "gb29nwbk60161331926819", "de89 3704 0044 0532 0130 00", "NO93 8601 1117 947",
        "NL91.ABNA.0417.1643.00", "nl91_abna_0417_1643_00"],
    "home": ["/home/alice", "/Users/Alice Smith"[:12], "C:\\Users\\alice"[2:], "C:\\\\users\\\\alice"[2:]],
    "card": ["4111 1111 1111 1111", "4111-1111-1111-1111", "4111.1111.1111.1111", "4111/1111/1111/1111",
        "4111  1111  1111  1111", "4111_1111_1111_1111",
        "5555555555554444",
        "378282246310005", "４１１１１１１１１１１１１１１１"],
    "id": ["078-05-1120", "AB123456C", "RSSMRA85T10A562S", "SSN 078051120", "BSN: 123456782",
        "passport no. X1234567"],
    "cpf": ["529.982.247-25"],
    "dni": ["12345678Z", "X1234567L"],
    "nir": ["2 55 08 14 168 025 38"],
    "personnummer": ["811218-9876", "19811218-9876"],
    "ip": ["10.1.2.3", "255.255.255.255"],
    "ip6": ["::ffff:10.0.0.1", "2001:db8::1", "fe80::1", "2001:db8:0:0:0:0:0:1"],
    "location": ["lat: 52.3702", '"longitude": 4.8952', "geo:52.3702,4.8952", "52°22'12\"N"],
    "phone": [
        "+31 6 1234 5678", "+1-202-555-0134", "+44 (0)20 7946 0018", "%2B31612345678", "0031612345678",
        "(202) 555-0134",
        "202-555-0134", "1-415-555-2671", "1.415.555.2671",
        "020 7946 0018", "06 12 34 56 78", "06.12.34.56.78",
        "+31\u20136\u20131234\u20135678", "06-12345678", "0612345678", "0171/1234567",
        "03-1234-5678",
        "0412 345 678", "tel. 612 345 678", "phone: 12 34 56 78", "＋31 6 1234 5678",
    ],
    "user": ["user u-404", "user_id=u-4711", "customer 4711", "session sess-1", "user_id': 'u-4711",
        'user_id\\": \\"u-4711'],
    "base64": ["QUJD" * 40],
    "image": ["data:image/png;base64,iVBORw0KGgo="],
}  # fmt: skip
ONLY_LOOKS_LIKE_IT = [
    "authorization: required", "a cookie: chocolate", "run it with -u", "the tests pass", "<b>bold", "passengers: many",
    "password reset for the shop", "the secret of good bread", "tokens: 1234", "max_token 100",
        "a token of thanks", "key: bread",
    "sk-learn", "basic understanding of bread", "Basic bread", "bearer of news", "http://shop.example:8080/a@b",
    "jan at example.org", "@decorator", "a@b", "12:30:45", "ab-cd-ef", "NL91 ABNA 0417 1643 01",
        "4111 1111 1111 1112",
    "000-12-3456", "900-12-3456", "178-00-1120", "AB12345C", "529.982.247-26", "12345678A", "255081416802539",
    "811218-9877", "256.1.1.1", "1.2.3", "v1.2.3.4", "std::vector", "flat 52.37", "late 5.25",
        "scores 0.9761, 0.9552",
    "2026-11-22 12:30:45", "01-02-2026 10:15", "01.02.2026 12:30", "1794816000004919000", "1795176000000", "i-17",
        "1f954",
    "als-2026-11-18", "users 25-34", "user bread", "the user asked", "segment 35-44", "0.123456789", "000000012",
        "12 345 678",
    "4bf92f3577b34da6a3ce929d0e0e4736", "gpt-4o-2024-08-06", "SmolLM2-135M-Instruct", "invoke_agent shop",
        "5 for 3 euro", "ab12cdef0123456789abcdef", "mkdir -p folder", "docker run -p 8080:80 x", "at home/alice",
        "the login page and password reset", "pass: 3 of 4", "row[key] => value",
        "/home/", "the key: > 3", "/home/~/app.py",
]  # fmt: skip


@pytest.mark.parametrize(("rule", "text"), [(rule, text) for rule, texts in FOUND.items() for text in texts])
def test_it_is_found_alone_and_in_a_sentence(rule: str, text: str) -> None:
    shown = f"[{SHOWN.get(rule, rule)}]"
    counted = int(rule not in ("image", "base64"))
    for before, after in (("", ""), ("say ", " now"), ("(", ")"), ("x ", "."), ("said\\n", "\\n"), ("ｘ ", ", y")):
        masked, hits = mask(before + text + after)
        assert hits == counted, (before, after, masked)
        assert shown in masked
        # Nothing is left of it: what stands before and after may be swallowed, no more.
        assert len(masked) <= len(before) + len(shown) + len(after) + len("https://")


@pytest.mark.parametrize("text", ONLY_LOOKS_LIKE_IT)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert mask(text) == (text, 0)
    assert mask(f"say {text} now") == (f"say {text} now", 0)


def test_every_rule_has_an_example() -> None:
    assert set(FOUND) == set(RULES)


def test_a_name_or_a_street_is_out_of_reach_of_rules() -> None:
    """Said in docs/redaction.md: this is what Presidio is for."""
    text = "Alice Smith lives at 5 Main Street in Springfield"
    assert mask(text) == (text, 0)


def test_secrets_alone_can_be_masked() -> None:
    text = f"jan@example.org has sk-{A20} at postgres://jan:geheim@db"
    assert mask(text, only=SECRETS) == ("jan@example.org has [secret] at [secret]db", 3)


PERSONAL = [text for rule, texts in FOUND.items() for text in texts if text.isascii()]


@given(st.lists(st.sampled_from(PERSONAL + ONLY_LOOKS_LIKE_IT), max_size=6), st.sampled_from([", ", "; ", " | "]))
def test_what_stands_beside_it_hides_nothing(pieces: list[str], between: str) -> None:
    masked, hits = mask(between.join(pieces))
    assert not [piece for piece in pieces if piece in PERSONAL and piece in masked]
    assert (hits > 0) >= any(piece in PERSONAL and not piece.startswith(("QUJD", "data:")) for piece in pieces)


TOGETHER = re.compile(
    "|".join(f"(?P<{name}>{'|'.join(rule.pattern for rule in rules)})" for name, rules in RULES.items())
)
"""All rules as one pattern, which looks for everything everywhere."""
NEAR = st.text(st.sampled_from("aApPsSıİkK019 .,:;=-_/@\"'<\\[{+%°"), max_size=12)


@given(st.lists(st.sampled_from([text for texts in FOUND.values() for text in texts]) | NEAR, max_size=8))
def test_a_rule_is_left_out_only_where_it_could_find_nothing(pieces: list[str]) -> None:
    """What a rule needs is a short cut, and cuts nothing off."""
    text = "".join(pieces)
    told = [(match.lastgroup, match.span()) for match in TOGETHER.finditer(text)]
    assert [(name, match.span()) for name, match in pii._matches(text)] == told


@pytest.mark.parametrize(
    "unit",
    [
        "a", "1", "0", "-", "=", ":", "@", ".", "a.", "a-", "1 ", "1-", "+1", "0 1", "a@", "a@b.", "%40", "data:",
        "sk-",
        "password", "password=", "token_", "-----BEGIN PRIVATE KEY-----", "://", "a://b:", "user ", "user 1",
        "user a-",
        "Basic ", "eyJ", "eyJaaaaaaaa.", "AB12", "4111 ", "::", "f:", "lat ", "tel ", "(0", "ssn ", "\\n", "é",
        "{", "[",
        "bearer ", "machine a login ", "password\"] ", "-passin pass:",
        "secret-", "a_b-", "1.1.1.", "00:", "\u200b", "１",
    ],
)  # fmt: skip
def test_the_work_for_a_long_text_is_bounded(unit: str) -> None:
    """No rule backtracks without bound: the suite would not end. Longer texts are cut first."""
    text = unit * (SCANNED // len(unit) + 10)
    masked, _ = mask(text)
    assert len(masked) <= SCANNED + 64


def test_what_stands_at_the_end_of_a_long_text_of_anything_is_found() -> None:
    rng = random.Random(7)
    noise = "".join(rng.choices(string.ascii_lowercase + " .,:", k=SCANNED - 100))
    masked, hits = mask(f"{noise} bob.jones@example.com ")
    assert (masked[-9:], "bob.jones" in masked) == (" [email] ", False)
    assert hits == mask(noise)[1] + 1


@pytest.mark.parametrize(
    ("key", "names"),
    [
        ("password", Names.SECRET), ("db.password", Names.SECRET), ("apiKey", Names.SECRET), ("X-Api-Key",
        Names.SECRET),
        ("Authorization", Names.SECRET), ("Set-Cookie", Names.SECRET), ("access_token", Names.SECRET),
        ("wachtwoord", Names.SECRET), ("contraseña", Names.SECRET), ("newPassword2", Names.SECRET),
        ("password_confirmation", Names.SECRET), ("refresh_tokens", Names.SECRET), ("apiKeys", Names.SECRET),
        ("x-functions-key", Names.SECRET), ("Ocp-Apim-Subscription-Key", Names.SECRET), ("cookies", Names.SECRET),
        ("tel", Names.PERSONAL), ("passport_number", Names.PERSONAL), ("phoneNo", Names.PERSONAL),
        ("address_line1", Names.PERSONAL), ("user_ids", Names.USER),
        ("tokens", None),
        ("user_id", Names.USER), ("userId", Names.USER), ("customer.id", Names.USER), ("metadata.thread_id",
        Names.USER),
        ("sessionId", Names.USER), ("langfuse.user.id", Names.USER), ("account_number", Names.USER),
        ("first_name", Names.PERSONAL), ("billing.lastName", Names.PERSONAL), ("e-mail", Names.PERSONAL),
        ("geo.lat", Names.PERSONAL), ("date_of_birth", Names.PERSONAL), ("client.ip", Names.PERSONAL),
        ("gen_ai.usage.input_tokens", None), ("gen_ai.token.type", None), ("max_tokens", None), ("item.id", None),
        ("syscard.cf.known_user", Names.USER), ("syscard.user.segment", None), ("tool_call_id", None),
        ("server.address", None),
        ("model.name", None), ("latency", None), ("flat", None), ("trip", None), ("", None),
    ],
)  # fmt: skip
def test_a_name_says_what_its_value_is(key: str, names: Names | None) -> None:
    assert named(key) is names


@given(st.text(max_size=300))
@example("_" * 300)
def test_any_name_can_be_asked(key: str) -> None:
    assert named(key) in (None, *Names)


WORDS = st.text(string.ascii_letters + string.digits, max_size=OPAQUE_CHARS).filter(pii.is_word)


@given(WORDS | st.from_regex(re.compile(OPAQUE), fullmatch=True).filter(lambda text: len(text) <= OPAQUE_CHARS))
def test_where_the_shortcut_for_ids_is_taken_no_rule_finds_anything(text: str) -> None:
    for hit in TOGETHER.finditer(text):
        check = CHECKS.get(hit.lastgroup or "")
        assert check
        assert not check(hit.group())


@pytest.mark.parametrize(
    ("text", "is_opaque"),
    [
        ("5f2b1c9a7d3e4f60a1b2c3d4", True),
        ("chatcmpl-AbC123dEf456GhI789jkl", True),
        ("3fa85f64-5717-4562-b3fc-2c963f66afa6", True),
        ("i-48213", True),
        ("4111-1111-1111-1111", False),
        ("x-GB29NWBK60161331926819", False),
        ("00-1b-44-11-3a-b7", False),
        ("sk-live0123456789abcdef", False),
        ("ghp_0123456789abcdefghij", False),
        ("AKIA0123456789ABCDEF", False),
        ("2026-11-27", False),
    ],
)
def test_the_shortcut_is_for_ids_alone(text: str, is_opaque: bool) -> None:
    assert bool(re.fullmatch(OPAQUE, text)) is is_opaque


@pytest.mark.parametrize(
    "text", ["card_4111111111111111", "pay-4111111111111111", "4111111111111111_ok", "iban_NL91ABNA0417164300",
             "card no.4111111111111111", "4111111111111111- expired"],
)  # fmt: skip
def test_what_is_glued_to_a_name_is_found(text: str) -> None:
    masked, hits = mask(text)
    assert hits == 1
    assert not re.search(r"\d{4}", masked)

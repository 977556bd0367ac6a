"""A made-up sample of each form of secret that gitleaks and detect-secrets know, and of those they do not."""

from __future__ import annotations

import random
import string

import pytest

from jellyformat.capture.secrets import blank_secrets, find_secrets

CHANCE = random.Random(11)
DIGITS, LOWER, UPPER, HEX = string.digits, string.ascii_lowercase, string.ascii_uppercase, "0123456789abcdef"
SMALL, CAPITALS, ALL = LOWER + DIGITS, UPPER + DIGITS, string.ascii_letters + DIGITS


def word(length: int, alphabet: str = ALL) -> str:
    """Made when the tests run, so that no file of the project looks like a secret to anybody's scanner."""
    return "".join(CHANCE.choice(alphabet) for _ in range(length))


def uuid() -> str:
    return "-".join(word(length, HEX) for length in (8, 4, 4, 4, 12))


NAMED = {
    "adafruit": word(32, SMALL), "adobe": word(32, HEX), "airtable": word(17, SMALL), "algolia": word(32, SMALL),
    "alibaba": word(30, SMALL), "asana": word(32, SMALL), "asana_client_id": word(16, DIGITS),
    "jira": word(20, SMALL) + word(4, HEX), "beamer": "b_" + word(44, SMALL), "bitbucket": word(64, SMALL),
    "bitbucket_client": word(32, SMALL),
    "bittrex": word(32, SMALL), "meraki": word(40, HEX), "cloudflare": word(40, SMALL),
    "cloudflare_global": word(37, HEX), "codecov": word(32, SMALL), "cohere": word(40), "coinbase": word(64, SMALL),
    "confluent": word(16, SMALL), "confluent_secret": word(64, SMALL), "contentful": word(43, SMALL),
    "datadog": word(40, SMALL), "dnkey": "dnkey-" + word(26, SMALL) + "-" + word(52, SMALL),
    "discord": word(64, HEX), "discord_client": word(18, DIGITS), "discord_client_secret": word(32, SMALL),
    "droneci": word(32, SMALL), "dropbox": word(15, SMALL),
    "dropbox_long": word(11, SMALL) + "A" * 10 + word(43, SMALL),
    "dropbox_short": "sl." + word(135, SMALL),
    "etsy": word(24, SMALL), "facebook": word(32, HEX), "facebook_app": word(16, DIGITS) + "|" + word(27, SMALL),
    "fastly": word(32, SMALL), "finicity": word(32, HEX), "finicity_client": word(20, SMALL),
    "finnhub": word(20, SMALL), "flickr": word(32, SMALL), "freshbooks": word(64, SMALL), "gitter": word(40, SMALL),
    "gocardless": "live_" + word(40, SMALL), "heroku": uuid(), "hubspot": uuid().upper(), "intercom": word(60, SMALL),
    "artifactory": word(73, SMALL), "jfrog": word(64, SMALL), "kraken": word(85, SMALL), "kucoin": word(24, HEX),
    "kucoin_secret": uuid(), "launchdarkly": word(40, SMALL), "linear": word(32, HEX),
    "linkedin": word(12, SMALL) + "a9",
    "linkedin_secret": word(16, SMALL), "lob": "live_" + word(35, HEX), "lob_pub": "test_pub_" + word(31, HEX),
    "looker": word(20, SMALL), "looker_secret": word(24, SMALL), "mailchimp": word(32, HEX) + "-us20",
    "mailgun": "key-" + word(32, HEX), "mailgun_pub": "pubkey-" + word(32, HEX),
    "mailgun_signing": word(32, HEX) + "-" + word(8, HEX) + "-" + word(8, HEX),
    "mapbox": "pk." + word(60, SMALL) + "." + word(22, SMALL), "mattermost": word(26, SMALL),
    "messagebird": word(25, SMALL), "messagebird_client": uuid(), "netlify": word(42, SMALL),
    "new_relic_browser": "NRJS-" + word(19, HEX), "new_relic_insert": "NRII-" + word(32, SMALL),
    "new_relic_user_id": word(64, SMALL), "new_relic_user": "NRAK-" + word(27, SMALL), "nytimes": word(32, SMALL),
    "okta": "00" + word(40), "plaid": "access-sandbox-" + uuid(), "plaid_client": word(24, SMALL),
    "plaid_secret": word(30, SMALL), "private_ai": word(32, SMALL), "rapidapi": word(50, SMALL),
    "sendbird": word(40, HEX),
    "sendbird_access_id": uuid(), "sentry": word(64, HEX), "snyk": uuid(), "sonar_token": "squ_" + word(40, SMALL),
    "squarespace": uuid(), "sumo_access_id": "su" + word(10) + "7q", "sumo": word(64, SMALL),
    "telegram": word(9, DIGITS) + ":A" + word(34),
    "travis": word(22, SMALL), "twitch": word(30, SMALL), "twitter": word(25, SMALL), "twitter_secret": word(50, SMALL),
    "twitter_access": word(18, DIGITS) + "-" + word(30), "twitter_access_secret": word(45, SMALL),
    "twitter_bearer": "A" * 22 + word(90), "typeform": "tfp_" + word(59, SMALL),
    "yandex": "t1." + word(40) + "." + word(86), "yandex_api": "AQVN" + word(36), "yandex_aws": "YC" + word(38),
    "zendesk": word(40, SMALL), "comet": word(25), "clearml": word(50), "neptune": word(40), "cloudant": word(64, HEX),
    "ibm_cloud_iam": word(44), "softlayer": word(64, SMALL), "pinecone": uuid(), "together": word(64, HEX),
}  # fmt: skip
"""What is told by the name that it is given."""

TOKENS = {
    "1Password": "A3-"
    + word(6, CAPITALS)
    + "-"
    + word(11, CAPITALS)
    + "-"
    + "-".join(word(5, CAPITALS) for _ in "abc"),
    "1Password parts": "A3-" + "-".join(word(length, CAPITALS) for length in (6, 6, 5, 5, 5, 5)),
    "1Password service": "ops_" + "eyJ" + word(260),
    "Adobe": "p8e-" + word(32, SMALL),
    "age": "AGE-SECRET-" + "KEY-1" + word(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "Airtable": "pat" + word(14) + "." + word(64, HEX),
    "Alibaba": "LTAI" + word(20, SMALL),
    "Anthropic": "sk-ant-" + "api03-" + word(93) + "AA",
    "Anthropic admin": "sk-ant-" + "admin01-" + word(93) + "AA",
    "Artifactory": "AKC" + "p" + word(69),
    "Artifactory reference": "cm" + "Vmd" + word(59),
    "Artifactory detect-secrets": "AKC" + word(66),
    "Atlassian": "ATATT3" + word(186),
    "Authress": "sc_" + word(12, SMALL) + "." + word(5, SMALL) + ".acc_" + word(16, SMALL) + "." + word(50, SMALL),
    "AWS": "AKIA" + word(16, UPPER + "234567"),
    "Bedrock": "ABSK" + word(120),
    "Bedrock short": "bedrock-" + "api-key-" + "YmVkcm9jay5hbWF6b25hd3MuY29t" + word(40),
    "Azure": word(3) + "8Q~" + word(33),
    "ClickHouse": "4b1d" + word(38),
    "Clojars": "CLOJARS_" + word(60, SMALL),
    "Cloudflare origin": "v1.0-" + word(24, HEX) + "-" + word(146, HEX),
    "Databricks": "dapi" + word(32, HEX),
    "DigitalOcean": "dop_v1_" + word(64, HEX),
    "DigitalOcean access": "doo_v1_" + word(64, HEX),
    "DigitalOcean refresh": "dor_v1_" + word(64, HEX),
    "Discord bot": "M" + word(23) + "." + word(6) + "." + word(27),
    "Doppler": "dp.pt." + word(43),
    "Dropbox short": "sl." + word(135),
    "Duffel": "duffel_" + "live_" + word(43),
    "Dynatrace": "dt0c01." + word(24, CAPITALS) + "." + word(64, CAPITALS),
    "EasyPost": "EZAK" + word(54),
    "EasyPost test": "EZTK" + word(54),
    "Facebook page": "EAAM" + word(120),
    "Flutterwave": "FLWSECK_" + "TEST-" + word(12, "0123456789abcdefgh"),
    "Flutterwave public": "FLWPUBK_" + "TEST-" + word(32, "0123456789abcdefgh") + "-X",
    "Flutterwave secret": "FLWSECK_" + "TEST-" + word(32, "0123456789abcdefgh") + "-X",
    "Fly.io": "fo1_" + word(43),
    "Fly.io macaroon": "fm2_" + word(120),
    "Frame.io": "fio-u-" + word(64),
    "Google": "AIza" + word(35),
    "Google OAuth": "ya29." + word(80),
    "GitHub": "ghp_" + word(36),
    "GitHub OAuth": "gho_" + word(36),
    "GitHub app": "ghs_" + word(36),
    "GitHub refresh": "ghr_" + word(36),
    "GitHub fine": "github_pat_" + word(82),
    "GitLab": "glpat-" + word(20),
    "GitLab routable": "glpat-" + word(30) + ".01" + word(7, SMALL),
    "GitLab job": "glcbt-" + word(3) + "_" + word(20),
    "GitLab deploy": "gldt-" + word(20),
    "GitLab flags": "glffct-" + word(20),
    "GitLab feed": "glft-" + word(20),
    "GitLab mail": "glimt-" + word(25),
    "GitLab agent": "glagent-" + word(50),
    "GitLab OAuth": "gloas-" + word(64),
    "GitLab trigger": "glptt-" + word(40, HEX),
    "GitLab runner": "glrt-" + word(20),
    "GitLab runner routable": "glrt-" + "t1_" + word(30) + ".01" + word(7, SMALL),
    "GitLab registration": "GR1348941" + word(20),
    "GitLab scim": "glsoat-" + word(20),
    "GitLab session": "_gitlab_session=" + word(32, SMALL),
    "Grafana": "eyJrIjoi" + word(80),
    "Grafana cloud": "glc_" + word(60),
    "Grafana service": "glsa_" + word(32) + "_" + word(8, HEX),
    "Groq": "gsk_" + word(52),
    "Harness": "pat." + word(22) + "." + word(24) + "." + word(20),
    "Terraform": word(14, SMALL) + ".atlasv1." + word(65, SMALL),
    "Heroku": "HRKU-AA" + word(58),
    "Hugging Face": "hf_" + word(34, string.ascii_letters),
    "Hugging Face organisation": "api_org_" + word(34, string.ascii_letters),
    "Infracost": "ico-" + word(32),
    "42": "s-s4t2" + "ud-" + word(64, HEX),
    "JWT": "ey" + "J" + word(33) + ".ey" + "J" + word(60) + "." + word(43),
    "JWT base64": "ZXlK" + "aGJHY2lPaUpJVXpJMU5pSXNJblI1Y0NJNklrcFhWQ0o5" + word(80),
    "LangSmith": "lsv2_" + "pt_" + word(32, HEX) + "_" + word(10, HEX),
    "Linear": "lin_api_" + word(40, SMALL),
    "MaxMind": word(6) + "_" + word(29) + "_mmk",
    "Mailchimp": word(32, HEX) + "-us20",
    "Neptune": "eyJhcGlf" + "YWRkcmVzcyI6" + word(120),
    "Notion": "ntn_" + word(11, DIGITS) + word(35),
    "Notion old": "secret_" + word(43),
    "npm": "npm_" + word(36),
    "NVIDIA": "nvapi-" + word(64),
    "Octopus": "API-" + word(26, CAPITALS),
    "OpenAI": "sk-" + word(20) + "T3Blbk" + "FJ" + word(20),
    "OpenAI project": "sk-proj-" + word(74) + "T3Blbk" + "FJ" + word(74),
    "plain sk-": "sk-" + word(48),
    "DeepSeek": "sk-" + word(32, HEX),
    "OpenRouter": "sk-or-" + "v1-" + word(64, HEX),
    "OpenShift": "sha256~" + word(43),
    "Perplexity": "pplx-" + word(48),
    "Pinecone": "pcsk_" + word(6) + "_" + word(63),
    "PlanetScale": "pscale_tkn_" + word(40),
    "PlanetScale OAuth": "pscale_oauth_" + word(40),
    "PlanetScale password": "pscale_pw_" + word(40),
    "Postman": "PMAK-" + word(24, HEX) + "-" + word(34, HEX),
    "Prefect": "pnu_" + word(36),
    "Pulumi": "pul-" + word(40, HEX),
    "PyPI": "pypi-" + "AgEIcHlwaS5vcmc" + word(70),
    "Readme": "rdme_" + word(70, SMALL),
    "RubyGems": "rubygems_" + word(48, HEX),
    "RunPod": "rpa_" + word(40, CAPITALS),
    "Scalingo": "tk-us-" + word(48),
    "SendGrid": "SG." + word(22) + "." + word(43),
    "Sendinblue": "xkeysib-" + word(64, HEX) + "-" + word(16),
    "Sentry organisation": "sntrys_" + "eyJpYXQiO" + word(50) + "LCJyZWdpb25fdXJs" + word(50) + "_" + word(43),
    "Sentry user": "sntryu_" + word(64, HEX),
    "SettleMint": "sm_aat_" + word(16),
    "SettleMint personal": "sm_pat_" + word(16),
    "SettleMint service": "sm_sat_" + word(16),
    "Shippo": "shippo_" + "live_" + word(40, HEX),
    "Shopify": "shpat_" + word(32, HEX),
    "Shopify custom": "shpca_" + word(32, HEX),
    "Shopify private": "shppa_" + word(32, HEX),
    "Shopify shared": "shpss_" + word(32, HEX),
    "Slack app": "xapp-" + "1-" + word(11, CAPITALS) + "-" + word(13, DIGITS) + "-" + word(64, HEX),
    "Slack bot": "xoxb-" + word(12, DIGITS) + "-" + word(12, DIGITS) + "-" + word(24),
    "Slack legacy bot": "xoxb-" + word(10, DIGITS) + "-" + word(24),
    "Slack configuration": "xoxe." + "xoxb-1-" + word(164, CAPITALS),
    "Slack refresh": "xoxe-" + "1-" + word(146, CAPITALS),
    "Slack legacy": "xoxs-" + "-".join(word(10, DIGITS) for _ in "abc") + "-" + word(30, HEX),
    "Slack workspace": "xoxa-" + "2-" + word(40),
    "Slack user": "xoxp-" + "-".join(word(12, DIGITS) for _ in "abc") + "-" + word(32),
    "Slack webhook": "https://hooks."
    + "slack.com/services/T"
    + word(8, CAPITALS)
    + "/B"
    + word(10, CAPITALS)
    + "/"
    + word(24),
    "Sourcegraph": "sgp_" + word(40, HEX),
    "Square": "sq0atp-" + word(22),
    "Square OAuth": "sq0csp-" + word(43),
    "Square EAAA": "EAAA" + word(60),
    "Stripe": "sk_" + "live_" + word(24),
    "Stripe test": "rk_" + "test_" + word(24),
    "Teams": f"https://acme.webhook.office.com/webhookb2/{uuid()}@{uuid()}/IncomingWebhook/{word(32, HEX)}/{uuid()}",
    "Telegram": word(10, DIGITS) + ":AA" + word(33),
    "Twilio": "SK" + word(32, HEX),
    "Twilio account": "AC" + word(32, HEX),
    "Vault": "hvs." + word(95),
    "Vault short": "hvs." + word(24),
    "Vault batch": "hvb." + word(150),
    "xAI": "xai-" + word(80),
    "SAS": "https://x.blob.core.windows.net/c?sv=2022-11-02&sig=" + word(43) + "%3D",
}
"""What is told by how it begins."""

PHRASE = "c0rrect" + "-H0rse" + word(4)
TEXTS = {
    "api_key": f'api_key = "{word(24)}"',
    "password": f'password = "{PHRASE}"',
    "password in JSON": f'{{"db_password": "{PHRASE}"}}',
    "password in a call": f"connect(host='h', password='{PHRASE}')",
    "password of detect-secrets": f'std::string secret_password("{PHRASE}");',
    "password compared": f'if (password == "{PHRASE}") {{}}',
    "Bearer": f'headers = {{"Authorization": "Bearer {word(40)}"}}',
    "Basic": f"Authorization: Basic {word(32)}",
    "GitHub header": f'-H "Authorization: token {word(40, HEX)}"',
    "curl header": f"curl -H 'X-Api-Key: {word(32)}' https://example.org",
    "curl user": f"curl --user 'deploy:{word(20)}' https://example.org",
    "redis": f"redis://:{word(12)}@cache:6379/0",
    "postgres": f"postgresql+psycopg://app:{word(12)}@db/x",
    "token in a URL": f"url = https://{word(40, HEX)}@github.com/o/r.git",
    "GitHub in a URL": f"https://{word(40, HEX)}:x-oauth-basic@github.com/o/r",
    "cloudant": f"https://acme:{word(64, HEX)}@acme.cloudant.com",
    "sidekiq": f"https://{word(8, HEX)}:{word(8, HEX)}@gems.contribsys.com/",
    "sidekiq key": f"BUNDLE_GEMS__CONTRIBSYS__COM_TOKEN: {word(8, HEX)}:{word(8, HEX)}",
    "private key": "-----BEGIN RSA PRIVATE "
    + "KEY-----\n"
    + word(64)
    + "\n"
    + word(64)
    + "\n-----END RSA PRIVATE "
    + "KEY-----",
    "NuGet": f'<add key="ClearTextPassword" value="{word(12)}" />',
    "Freemius": f"'secret_key' => 'sk_{word(29)}'",
    "Terraform provider": f'administrator_login_password = "{word(12)}7q"',
    "Kubernetes": f"kind: Secret\ndata:\n  client_secret: {word(40)}=",
    "export": f"export LANGFUSE_SECRET_KEY={word(32)}",
    "argument": f"--api-key={word(32)}",
    "AWS secret": f"aws_secret_access_key = {word(40)}",
    "IBM COS": f"secret_access_key = '{word(48, HEX)}'",
}
FILES = {
    "config/database.yml": f"production:\n  adapter: postgresql\n  password: {PHRASE}\n",
    "settings.ini": f"[db]\npassword = {PHRASE}\n",
    ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = https://{word(40, HEX)}@github.com/o/x.git\n',
}


def check(text: str, line: int = 2) -> None:
    found = find_secrets(b"src/file.py", f"first line\n{text}\nlast line\n".encode())
    assert found, text
    assert found[0].line >= line
    assert find_secrets(b"f", text.encode()), "alone"


@pytest.mark.parametrize("name", TOKENS)
@pytest.mark.parametrize("form", ["{}", 'x = "{}"', "x: {}", "run --flag {} more", '"text": "line\\n{}\\n"', "'{}',"])
def test_tokens(name: str, form: str) -> None:
    check(form.format(TOKENS[name]))


@pytest.mark.parametrize("name", NAMED)
@pytest.mark.parametrize(
    "form", ['{}_api_token = "{}"', "{}_SECRET_KEY={}", '"{}ApiKey": "{}"', "{}-access-token: '{}'"]
)
def test_named(name: str, form: str) -> None:
    check(form.format(name.upper() if "SECRET" in form else name, NAMED[name]))


@pytest.mark.parametrize("name", TEXTS)
def test_texts(name: str) -> None:
    check(TEXTS[name])


@pytest.mark.parametrize("name", FILES)
def test_files(name: str) -> None:
    assert find_secrets(name.encode(), FILES[name].encode())


@pytest.mark.parametrize("name", TOKENS)
def test_blanked_to_its_end(name: str) -> None:
    """Whatever stands behind the part by which a token is told goes, too."""
    token = TOKENS[name]
    tail = token[-12:]
    for text in (token, f"--x {token} --y 1", f"a={token}", f"{token} {token}"):
        blanked = blank_secrets(text.encode()).decode()
        assert tail not in blanked, blanked
        assert "***" in blanked
    assert blank_secrets(f"--x {token}-SECRET --y 1".encode()).endswith(b"*** --y 1")


def test_blanked_however_many() -> None:
    tokens = ["hf_" + word(34) for _ in range(50)]
    assert blank_secrets(" ".join(tokens).encode()) == b" ".join([b"***"] * 50)
    marked = f"{tokens[0]}  # pragma: allowlist secret"
    assert tokens[0].encode() not in blank_secrets(marked.encode())
    key = TEXTS["private key"].encode()
    assert blank_secrets(b"a " + key + b" b") == b"a *** b"


HARMLESS = {
    "python": "tokenizer = AutoTokenizer.from_pretrained('gpt2-medium-345M-v2')\npad_token = '<|endoftext|>'\n"
    "max_tokens = 512\nkey = 'model.layers.0.self_attn.q_proj.weight'\nsecret_key = os.environ['SECRET_KEY_2']\n"
    "token = self.config.get('auth_token_v2')\npassword = getpass.getpass()\napi_key = settings.OPENAI_API_KEY_2\n",
    "types": "password: Optional[str] = None\ntoken: str\ndef f(token: TokenType2, key: KeyError) -> AuthToken2:\n",
    "placeholders": 'api_key = "your-api-key-here-0123"\npassword = "changeme123"\nTOKEN="<your token>"\n'
    "password: ${DB_PASSWORD}\npassword: {{ vault.db_password }}\nsecret: !vault |\n",
    "hashes": 'sha256 = "' + word(64, HEX) + '"\nkey: ' + word(64, HEX) + "\ncache_key = '" + word(20, LOWER) + "'\n",
    "lock": '{"integrity": "sha512-' + word(86) + '==", "key": "' + word(32, HEX) + '"}\n',
    "urls": "https://user@example.com/x http://localhost:8080 https://example.com/@scope/pkg redis://cache:6379/0\n",
    "uuid": 'run_id = "' + uuid() + '"\nkey = "' + uuid() + '"\n',
    "model names": "sk-learn sk-learn-contrib-2024 task-1234567890 nvapi-docs gsk_models pat.train key-value\n",
    "public": 'public_key = "' + word(43) + '="\nPUBLIC KEY: age1' + word(58, SMALL) + "\n",
    "words": 'auth = "oauth2-authorization-code"\ncredential = "application-default-login"\npwd = "/home/me/data"\n',
}


@pytest.mark.parametrize("name", HARMLESS)
def test_no_secret(name: str) -> None:
    for file in (b"a.py", b"a.md", b"a.json"):
        assert find_secrets(file, HARMLESS[name].encode()) == []

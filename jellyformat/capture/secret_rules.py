"""What secrets look like: tokens of services, each by the bytes that it begins with, and files that hold passwords.

The forms are those that the services document and that gitleaks and detect-secrets know. Each expression is bounded:
the time is linear in the size of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """A form of secret.

    Attributes:
        kind: What it is, for people.
        anchors: Bytes that are looked for first; a match begins with one of them.
        pattern: All of it; the group ``value`` is the secret, else the match is.
        fold_case: Whether upper and lower case are the same.
        begins: Whether an anchor begins a token, so that none may go on before it.
        random: Whether the value has to look random, too.
    """

    kind: str
    anchors: tuple[bytes, ...]
    pattern: re.Pattern[bytes]
    fold_case: bool = False
    begins: bool = True
    random: bool = False


def _rule(
    kind: str, anchors: str, pattern: str, *, fold_case: bool = False, begins: bool = True, random: bool = False
) -> Rule:
    flags = re.IGNORECASE if fold_case else 0
    return Rule(kind, tuple(anchors.encode().split()), re.compile(pattern.encode(), flags), fold_case, begins, random)


_END = r"(?![A-Za-z0-9_])"
_NAMED = r"[\"']?\]?\s{0,3}(?:=|:|=>|,)\s{0,3}[\"']?"

TOKENS = (
    _rule("age secret key", "AGE-SECRET-KEY-1", r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}"),
    _rule("AWS access key", "AKIA ASIA ABIA ACCA A3T", r"(?:A3T[A-Z0-9]|A[KS]IA|ABIA|ACCA)[A-Z2-7]{16}" + _END),
    _rule("Amazon Bedrock key", "ABSK", r"ABSK[A-Za-z0-9+/]{100,269}={0,2}"),
    _rule("Amazon Bedrock key", "bedrock-api-key-", r"bedrock-api-key-YmVkcm9jay[A-Za-z0-9+/=%._~-]{10}"),
    _rule("Google API key", "AIza", r"AIza[0-9A-Za-z_-]{35}"),
    _rule("Google OAuth secret", "GOCSPX-", r"GOCSPX-[0-9A-Za-z_-]{28}"),
    _rule("Google OAuth token", "ya29.", r"ya29\.[0-9A-Za-z_-]{20}"),
    _rule("Azure storage key", "AccountKey=", r"AccountKey=[A-Za-z0-9+/]{86}==", begins=False),
    _rule("Azure shared access key", "SharedAccessKey=", r"SharedAccessKey=[A-Za-z0-9+/]{43}=", begins=False),
    _rule("Azure shared access signature", "sig=", r"sig=[A-Za-z0-9%+/]{40,80}(?:%3[Dd]|=)"),
    _rule("Azure client secret", "8Q~ 7Q~", r"[78]Q~[A-Za-z0-9_.~-]{31,34}" + _END, begins=False),
    _rule("Alibaba access key", "LTAI", r"LTAI[A-Za-z0-9]{17,20}" + _END, random=True),
    _rule("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36}"),
    _rule("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{82}"),
    _rule(
        "GitLab token",
        "glpat- gldt- glrt- glptt- glcbt- glffct- glft- glimt- glagent- gloas- glsoat- GR1348941",
        r"(?:gl(?:pat|dt|rt|ptt|cbt|ffct|ft|imt|agent|oas|soat)-|GR1348941)[A-Za-z0-9_.-]{20}",
    ),
    _rule("GitLab session", "_gitlab_session=", r"_gitlab_session=[0-9a-z]{32}"),
    _rule("Bitbucket token", "ATBB ATCTT3", r"AT(?:BB[A-Za-z0-9_=.-]{32}|CTT3[A-Za-z0-9_=.-]{60})"),
    _rule("Atlassian token", "ATATT3", r"ATATT3[A-Za-z0-9_=-]{60}"),
    _rule("Hugging Face token", "hf_ api_org_", r"(?:hf_|api_org_)[A-Za-z0-9]{34}" + _END),
    _rule("OpenAI key", "T3BlbkFJ", r"T3BlbkFJ[A-Za-z0-9_-]{20}", begins=False),
    _rule("OpenAI key", "sk-proj- sk-svcacct- sk-admin-", r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40}"),
    _rule("Anthropic key", "sk-ant-", r"sk-ant-[a-z]{3,8}\d\d-[A-Za-z0-9_-]{80}"),
    _rule("OpenRouter key", "sk-or-v1-", r"sk-or-v1-[0-9a-f]{64}"),
    _rule("API key (sk-)", "sk-", r"sk-[A-Za-z0-9]{32,64}" + _END, random=True),
    _rule("LangSmith key", "lsv2_", r"lsv2_(?:pt|sk)_[0-9a-f]{32}"),
    _rule("LangSmith key", "ls__", r"ls__[0-9a-f]{32}"),
    _rule("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40}", random=True),
    _rule("xAI key", "xai-", r"xai-[A-Za-z0-9]{60}"),
    _rule("Perplexity key", "pplx-", r"pplx-[A-Za-z0-9]{40}", random=True),
    _rule("Pinecone key", "pcsk_", r"pcsk_[A-Za-z0-9]{4,8}_[A-Za-z0-9]{50}"),
    _rule("NVIDIA key", "nvapi-", r"nvapi-[A-Za-z0-9_-]{50}"),
    _rule("Neptune token", "eyJhcGlfYWRk", r"eyJhcGlfYWRkcmVzcyI6[A-Za-z0-9+/=]{40}"),
    _rule("RunPod key", "rpa_", r"rpa_[A-Z0-9]{36}", random=True),
    _rule("Replicate token", "r8_", r"r8_[A-Za-z0-9]{37}" + _END),
    _rule("Databricks token", "dapi", r"dapi[0-9a-f]{32}" + _END),
    _rule(
        "Slack token", "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxe- xoxe. xapp-",
        r"x(?:ox[abeoprs][-.]|app-)[0-9A-Za-z.-]{16}",
    ),
    _rule(
        "Slack webhook", "hooks.slack.com/",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[0-9A-Za-z_+/]{30}", begins=False,
    ),
    _rule(
        "Teams webhook", ".webhook.office.com/",
        r"\.webhook\.office\.com/webhookb2/[0-9a-f-]{36}@[0-9a-f-]{36}/IncomingWebhook/[0-9a-f]{32}", begins=False,
    ),
    _rule("Discord webhook", "/api/webhooks/", r"/api/webhooks/\d{17,20}/[0-9A-Za-z_-]{60}", begins=False),
    _rule("Telegram token", ":AA", r":AA[0-9A-Za-z_-]{32,33}" + _END, begins=False),
    _rule("Stripe key", "k_live_ k_prod_ k_test_", r"k_(?:live|prod|test)_[0-9a-zA-Z]{24}", begins=False, random=True),
    _rule("Square token", "sq0atp- sq0csp- EAAA", r"(?:sq0(?:atp|csp)-[\w-]{22}|EAAA[\w-]{60})", random=True),
    _rule("Facebook token", "EAAM EAAC", r"EAA[MC][A-Za-z0-9]{100}"),
    _rule("Shopify token", "shpat_ shpca_ shppa_ shpss_", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
    _rule("SendGrid key", "SG.", r"SG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}"),
    _rule("Sendinblue key", "xkeysib-", r"xkeysib-[a-f0-9]{64}"),
    _rule("Twilio key", "SK", r"SK[0-9a-f]{32}" + _END, random=True),
    _rule("Twilio account", "AC", r"AC[0-9a-f]{32}" + _END, random=True),
    _rule("Mailchimp key", "-us", r"-us[0-9]{1,2}" + _END, begins=False),
    _rule("Mailgun key", "pubkey- key-", r"(?:pub)?key-[a-f0-9]{32}" + _END),
    _rule("npm token", "npm_", r"npm_[A-Za-z0-9]{36}" + _END),
    _rule("npm token", "_authToken=", r"_authToken=(?!\$)[A-Za-z0-9._/+=-]{16}", begins=False),
    _rule("PyPI token", "pypi-AgE", r"pypi-AgE[A-Za-z0-9_-]{50}"),
    _rule("RubyGems token", "rubygems_", r"rubygems_[a-f0-9]{48}"),
    _rule("Clojars token", "CLOJARS_", r"CLOJARS_[A-Za-z0-9]{60}"),
    _rule("NuGet key", "oy2", r"oy2[a-z0-9]{43}" + _END, random=True),
    _rule("DigitalOcean token", "dop_v1_ doo_v1_ dor_v1_", r"do[por]_v1_[0-9a-f]{64}"),
    _rule("Docker Hub token", "dckr_pat_ dckr_oat_", r"dckr_[po]at_[A-Za-z0-9_-]{27}"),
    _rule("Vault token", "hvs. hvb. hvr.", r"hv[sbr]\.[A-Za-z0-9_-]{24}"),
    _rule("Terraform token", ".atlasv1.", r"\.atlasv1\.[A-Za-z0-9_=-]{60}", begins=False),
    _rule("1Password key", "A3-", r"A3-[A-Z0-9]{6}-[A-Z0-9]{6}-?[A-Z0-9]{5}-[A-Z0-9]{5}-[A-Z0-9]{5}"),
    _rule("1Password token", "ops_eyJ", r"ops_eyJ[A-Za-z0-9+/]{200}"),
    _rule("Adobe secret", "p8e-", r"p8e-[A-Za-z0-9]{32}", random=True),
    _rule("Airtable token", "pat", r"pat[A-Za-z0-9]{14}\.[a-f0-9]{64}"),
    _rule("Artifactory key", "AKC", r"AKC[A-Za-z0-9]{60}", random=True),
    _rule("Artifactory token", "cmVmd", r"cmVmd[A-Za-z0-9]{59}" + _END),
    _rule("Authress key", ".acc_ .acc-", r"\.acc[_-][A-Za-z0-9-]{10,32}\.[A-Za-z0-9+/_=-]{30}", begins=False),
    _rule("ClickHouse key", "4b1d", r"4b1d[A-Za-z0-9]{38}" + _END, random=True),
    _rule("Cloudflare key", "v1.0-", r"v1\.0-[a-f0-9]{24}-[a-f0-9]{146}"),
    _rule("Defined Networking token", "dnkey-", r"dnkey-[A-Za-z0-9=_-]{20}"),
    _rule("Discord token", "M N O", r"[MNO][A-Za-z\d_-]{23,25}\.[A-Za-z\d_-]{6}\.[A-Za-z\d_-]{27}", random=True),
    _rule("Doppler token", "dp.pt. dp.st. dp.ct. dp.sa.", r"dp\.(?:pt|st|ct|sa)\.[A-Za-z0-9.]{40}"),
    _rule("Dropbox token", "sl.", r"sl\.[A-Za-z0-9_=-]{130}"),
    _rule("Duffel token", "duffel_", r"duffel_(?:test|live)_[A-Za-z0-9_=-]{43}"),
    _rule("Dynatrace token", "dt0c01. dt0s01.", r"dt0[cs]01\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{64}"),
    _rule("EasyPost key", "EZAK EZTK", r"EZ[AT]K[A-Za-z0-9]{54}" + _END),
    _rule("Flutterwave key", "FLWSECK FLWPUBK", r"FLW(?:SECK|PUBK)(?:_TEST)?-[A-Za-z0-9]{12}"),
    _rule("Fly.io token", "fo1_ fm1a_ fm1r_ fm2_", r"f(?:o1_[\w-]{43}|m(?:1[ar]|2)_[A-Za-z0-9+/]{100})"),
    _rule("Frame.io token", "fio-u-", r"fio-u-[A-Za-z0-9_=-]{60}"),
    _rule("Grafana key", "eyJrIjoi", r"eyJrIjoi[A-Za-z0-9]{60}"),
    _rule("Grafana token", "glc_ glsa_", r"gl(?:c_[A-Za-z0-9+/]{32}|sa_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8})"),
    _rule("Harness key", "pat. sat.", r"[ps]at\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9]{24}\.[A-Za-z0-9]{20}"),
    _rule("Heroku key", "HRKU-AA", r"HRKU-AA[0-9A-Za-z_-]{58}"),
    _rule("Infracost key", "ico-", r"ico-[A-Za-z0-9]{32}" + _END, random=True),
    _rule("42 secret", "s-s4t2", r"s-s4t2(?:ud|af)-[a-f0-9]{64}"),
    _rule("Linear key", "lin_api_", r"lin_api_[A-Za-z0-9]{40}"),
    _rule("MaxMind key", "_mmk", r"_mmk" + _END, begins=False),
    _rule("Mapbox token", "pk. sk.", r"[ps]k\.(?:[A-Za-z0-9]{60}|eyJ[A-Za-z0-9_-]{40,200})\.[A-Za-z0-9_-]{22}"),
    _rule("New Relic key", "NRJS- NRII- NRAK- NRAL-", r"NR(?:JS|II|AK|AL)-[A-Za-z0-9-]{19}"),
    _rule("Notion token", "ntn_", r"ntn_[0-9]{11}[A-Za-z0-9]{32}"),
    _rule("Notion token", "secret_", r"secret_[A-Za-z0-9]{43}" + _END, random=True),
    _rule("Octopus Deploy key", "API-", r"API-[A-Z0-9]{25,32}" + _END, random=True),
    _rule("OpenShift token", "sha256~", r"sha256~[\w-]{43}"),
    _rule("PlanetScale token", "pscale_", r"pscale_(?:tkn|oauth|pw)_[\w=.-]{32}"),
    _rule("Postman key", "PMAK-", r"PMAK-[A-Fa-f0-9]{24}-[A-Fa-f0-9]{34}"),
    _rule("Prefect key", "pnu_ pnb_", r"pn[ub]_[A-Za-z0-9]{36}"),
    _rule("Pulumi token", "pul-", r"pul-[a-f0-9]{40}"),
    _rule("ReadMe key", "rdme_", r"rdme_[a-z0-9]{70}"),
    _rule("Scalingo token", "tk-us-", r"tk-us-[\w-]{48}"),
    _rule("Sentry token", "sntrys_ sntryu_", r"sntry(?:s_eyJ[A-Za-z0-9+/=_]{40}|u_[a-f0-9]{64})"),
    _rule("SettleMint token", "sm_aat_ sm_pat_ sm_sat_", r"sm_[aps]at_[A-Za-z0-9]{16}"),
    _rule("Shippo token", "shippo_", r"shippo_(?:live|test)_[a-fA-F0-9]{40}"),
    _rule("Sourcegraph token", "sgp_", r"sgp_(?:[a-fA-F0-9]{16}_|local_)?[a-fA-F0-9]{40}"),
    _rule("Typeform token", "tfp_", r"tfp_[A-Za-z0-9_.=-]{50}"),
    _rule("Tailscale key", "tskey-", r"tskey-[a-z]{3,12}-[A-Za-z0-9]{8,24}-[A-Za-z0-9]{16}"),
    _rule("Yandex key", "AQVN t1.", r"(?:AQVN[A-Za-z0-9_-]{35}|t1\.[A-Za-z0-9_-]{20,300}={0,2}\.[A-Za-z0-9_-]{86})"),
    _rule("JSON web token", "eyJ ey", r"ey[A-Za-z0-9_-]{12,2000}\.ey[A-Za-z0-9_-]{12,4000}\.[A-Za-z0-9_-]{10}"),
    _rule("JSON web token", "ZXlK", r"ZXlK(?:aGJH|MGVY|cmFX|amRI|bGJt|cWQy)[A-Za-z0-9/_+-]{60}"),
    _rule(
        "password in a URL", "://",
        r"://[^\s:/@\"'<>{}$%*\[\]]{0,64}:(?P<value>[^\s:/@\"'<>{}$%*\[\]]{6,128})@[A-Za-z0-9.-]{1,253}", begins=False,
    ),
    _rule(
        "token in a URL", "://",
        r"://(?P<value>[A-Za-z0-9_.~-]{16,255})(?::x-oauth-basic|:)?@[A-Za-z0-9.-]{1,253}", begins=False, random=True,
    ),
)  # fmt: skip
"""What has no white space in it."""

TEXTS = (
    _rule(
        "private key", "-----BEGIN",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----\s{0,4}(?:[\\\w+/=]{8}|Proc-Type)",
        begins=False,
    ),
    _rule("PuTTY private key", "PuTTY-User-Key-File-", r"PuTTY-User-Key-File-\d: \S"),
    _rule("Kubernetes client key", "client-key-data:", r"client-key-data:\s{1,4}[A-Za-z0-9+/]{40}", begins=False),
    _rule(
        "NuGet password", "<add key=",
        r"<add key=\"(?:ClearText)?Password\"\s{1,4}value=\"(?P<value>[^\"$%{]{8,200})\"", begins=False, fold_case=True,
    ),
    _rule(
        "AWS secret key", "aws_secret secretaccesskey",
        r"(?:aws_secret\w{0,20}|secretaccesskey)" + _NAMED + r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])", fold_case=True,
    ),
    _rule(
        "Weights & Biases key", "wandb_api_key wandb.login",
        r"wandb(?:_api_key|\.login\(\s{0,4}key)" + _NAMED + r"(?:local-)?[0-9a-f]{40}" + _END, fold_case=True,
    ),
    _rule(
        "Sidekiq key", "contribsys__com",
        r"contribsys__com\w{0,12}" + _NAMED + r"[a-f0-9]{8}:[a-f0-9]{8}" + _END, begins=False, fold_case=True,
    ),
    _rule(
        "authorization header", "authorization",
        r"authorization[\"'`\\]{0,3}\]?\s{0,3}[:=,]\s{0,3}[a-z]?[\"'`\\]{0,3}"
        r"(?:bearer|basic|(?:api-?)?token|apikey)[ \t]{1,4}"
        r"(?P<value>[A-Za-z0-9._~+/=:-]{12,4096})", begins=False, fold_case=True, random=True,
    ),
    _rule(
        "password of curl", "curl ",
        r"curl [^\n|;&]{0,200}?(?<= )(?:-u|--user)[ =]{0,2}[\"']?[^\s\"':$<{]{1,100}:(?P<value>[^\s\"'$<{]{6,100})",
        fold_case=True,
    ),
)  # fmt: skip
"""What may have white space in it."""

_DOTENV = re.compile(
    rb"^[ \t]{0,8}(?:export[ \t]{1,4})?[A-Za-z_][A-Za-z0-9_]{0,80}[ \t]?=[ \t]?"
    rb"(?P<value>[^\s#$\"']\S{0,200}|[\"'][^\s\"'$][^\n]{0,200})",
    re.MULTILINE,
)
_NETRC = re.compile(rb"\bpassword[ \t]{1,8}(?P<value>\S{1,200})")
_PYPIRC = re.compile(rb"^[ \t]{0,8}password[ \t]{0,4}[=:][ \t]{0,4}(?P<value>[^\s%]\S{0,200})", re.MULTILINE)
_AUTH = re.compile(rb"\"auth\"\s{0,4}:\s{0,4}\"(?P<value>[A-Za-z0-9+/=]{8,400})\"")
_CREDENTIALS = re.compile(rb"^https?://[^\s:@/]{1,100}:(?P<value>[^\s@/]{1,200})@", re.MULTILINE)
_KEY_STORE = re.compile(rb"\A(?P<value>[\x30\xfe\xce].{8})", re.DOTALL)
_TERRAFORM = re.compile(
    rb"^[ \t]{0,8}\w{0,40}(?:password|secret|token|key)\w{0,40}[ \t]{0,8}=[ \t]{0,8}\"(?P<value>[^\"\s$]{6,200})\"",
    re.MULTILINE,
)
_PASSWORD = re.compile(
    rb"^[ \t-]{0,40}[\"']?[\w.-]{0,40}(?:password|passwd|secret)[\"']?[ \t]{0,4}[:=][ \t]{0,4}"
    rb"(?P<value>[^\s\"'$<{%\[(|>&*!#][^\s\"'${}()<>\[\]]{7,100})[ \t]{0,8}(?:#[^\n]{0,100})?\r?$",
    re.MULTILINE | re.IGNORECASE,
)

_ENVIRONMENT = re.compile(rb"\.env(?:\.(?!(?:example|sample|template|dist|defaults?|schema|test)\b)[\w.-]+)?|\.envrc")
FILES: tuple[tuple[str, re.Pattern[bytes], re.Pattern[bytes]], ...] = (
    ("value in an environment file", _ENVIRONMENT, _DOTENV),
    ("password in .netrc", re.compile(rb"[._]netrc"), _NETRC),
    ("password in .pypirc", re.compile(rb"\.pypirc"), _PYPIRC),
    ("stored git password", re.compile(rb"\.git-credentials"), _CREDENTIALS),
    ("Kaggle key", re.compile(rb"kaggle\.json"), re.compile(rb"\"key\"\s{0,4}:\s{0,4}\"(?P<value>[0-9a-f]{32})\"")),
    ("registry login", re.compile(rb"\.dockercfg|\.dockerconfigjson|config\.json"), _AUTH),
    ("key store", re.compile(rb".+\.(?:p12|pfx|jks|keystore|bks)"), _KEY_STORE),
    ("value in a Terraform file", re.compile(rb".+\.tfvars"), _TERRAFORM),
    ("password in a configuration file", re.compile(rb".+\.(?:ya?ml|ini|cfg|conf|toml|properties)"), _PASSWORD),
)  # fmt: skip
"""Kind, the names of files that are made for secrets, lower case, and what is one in them."""

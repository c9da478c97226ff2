"""A real SAML identity provider, pysaml2's, in this process. It signs with xmlsec's library: no program is needed."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree
from saml2 import BINDING_HTTP_REDIRECT
from saml2.authn_context import PASSWORDPROTECTEDTRANSPORT
from saml2.config import IdPConfig
from saml2.saml import NAMEID_FORMAT_PERSISTENT, NameID
from saml2.server import Server
from saml2.sigver import CryptoBackend
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

ENTITY = "https://idp.acme.example/metadata"
SSO = "https://idp.acme.example/sso"
NAMESPACES = {
    "saml": "urn:oasis:names:tc:SAML:2.0:assertion",
    "samlp": "urn:oasis:names:tc:SAML:2.0:protocol",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}


class LibraryCrypto(CryptoBackend):
    """Signs with the library."""

    def __init__(self, key: bytes) -> None:
        super().__init__()
        self.key = key

    def sign_statement(self, statement: Any, node_name: str, key_file: str, node_id: str) -> str:
        """Fill in the signature that pysaml2 has laid out."""
        text = statement.decode() if isinstance(statement, bytes) else str(statement)
        return sign(text, node_id, self.key)


def sign(document: str, node_id: str, key: bytes) -> str:
    """Fill in the signature inside the node of this id."""
    tree = etree.fromstring(document.encode())
    node = next(each for each in tree.iter() if each.get("ID") == node_id)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key, xmlsec.KeyFormat.PEM)
    context.register_id(node, "ID")
    context.sign(node.find("ds:Signature", NAMESPACES))
    return etree.tostring(tree).decode()


@dataclass
class SamlProvider:
    """The provider, with its certificate."""

    server: Server
    key: bytes
    certificate: str

    def answer(
        self,
        redirect: str,
        *,
        email: str = "grace@acme.example",
        subject: str = "subject-7",
        name_format: str = NAMEID_FORMAT_PERSISTENT,
        **options: Any,
    ) -> str:
        """Read the question that the browser brings, and return the XML of the answer."""
        asked = parse_qs(urlsplit(redirect).query)["SAMLRequest"][0]
        request = self.server.parse_authn_request(asked, BINDING_HTTP_REDIRECT).message
        told = {
            "in_response_to": request.id,
            "destination": request.assertion_consumer_service_url,
            "sp_entity_id": request.issuer.text,
            "sign_alg": SIG_RSA_SHA256,
            "digest_alg": DIGEST_SHA256,
        } | options
        return str(
            self.server.create_authn_response(
                {"mail": [email], "isMemberOf": ["llm-auditors"]},
                name_id=NameID(format=name_format, text=subject),
                authn={"class_ref": PASSWORDPROTECTEDTRANSPORT, "authn_auth": ENTITY},
                sign_assertion=True,
                sign_response=False,
                **told,
            )
        )


def make_certificate() -> tuple[bytes, str]:
    """Make a key and the certificate that it signs itself."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "idp.acme.example")])
    now = datetime.now(tz=UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret, certificate.public_bytes(serialization.Encoding.PEM).decode()


def make_provider(folder: Path, *, key: bytes, certificate: str, metadata: str) -> SamlProvider:
    """Make one that knows the service of this metadata."""
    (folder / "key.pem").write_bytes(key)
    (folder / "certificate.pem").write_text(certificate)
    config = IdPConfig().load(
        {
            "entityid": ENTITY,
            "crypto_backend": "XMLSecurity",
            "key_file": str(folder / "key.pem"),
            "cert_file": str(folder / "certificate.pem"),
            "metadata": {"inline": [metadata]},
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(SSO, BINDING_HTTP_REDIRECT)]},
                    "policy": {"default": {"lifetime": {"minutes": 5}, "attribute_restrictions": None}},
                    "want_authn_requests_signed": False,
                }
            },
        }
    )
    server = Server(config=config)
    server.sec.crypto = LibraryCrypto(key)
    return SamlProvider(server, key, certificate)


def coded(document: str) -> str:
    """Return an answer as a form carries it."""
    return base64.b64encode(document.encode()).decode()

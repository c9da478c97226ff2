"""What is there only where an extra was installed."""

from importlib.util import find_spec

HAS_SAML = find_spec("onelogin") is not None and find_spec("xmlsec") is not None

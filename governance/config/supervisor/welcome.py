"""What the person at the terminal sees when everything answers."""

from governance.config.supervisor.ready_file import ReadyFacts

_MODEL = "sandbox-1"


def welcome_text(facts: ReadyFacts, *, home: str, seconds: float) -> str:
    """Return where everything is, how to log in, and a first call that works when pasted."""
    key = facts.virtual_key or "YOUR_VIRTUAL_KEY"
    return f"""
Bursar answers ({seconds:.1f} s). Stop it with Ctrl-C; everything it keeps is in {home}.

  Console   {facts.console_url}
            {_log_in(facts)}
  Gateway   {facts.gateway_url}/v1

A first call (the sandbox is a pretend vendor: it costs nothing and says so):

  curl {facts.gateway_url}/v1/chat/completions \\
    -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\
    -d '{{"model": "{_MODEL}", "messages": [{{"role": "user", "content": "Hello"}}]}}'

The same with the OpenAI SDK:

  from openai import OpenAI

  client = OpenAI(base_url="{facts.gateway_url}/v1", api_key="{key}")
  reply = client.chat.completions.create(model="{_MODEL}", messages=[{{"role": "user", "content": "Hello"}}])
  print(reply.choices[0].message.content)
"""


def _log_in(facts: ReadyFacts) -> str:
    if facts.admin_user and facts.admin_password:
        return f"log in as {facts.admin_user} with the password {facts.admin_password} (change it there)"
    return "log in with the account an administrator gave you"

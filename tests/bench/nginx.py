"""nginx twice: as the static upstream, and as the bare proxy that we measure ourselves against."""

import shutil
import subprocess
from pathlib import Path

from tests.bench.payloads import CHAT_REPLY

# In a single process: nothing to look for below a master, no change of user, and the same code on the request path.
_FRAME = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  tcp_nodelay on;
  client_body_buffer_size 64k;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
{servers}
}}
"""
_STATIC_SERVER = """
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{ default_type application/json; return 200 '{reply}'; }}
  }}
"""
_PROXY_SERVER = """
  upstream {name} {{ server 127.0.0.1:{upstream_port}; keepalive 512; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    location / {{
      proxy_pass http://{name};
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering {buffering};
    }}
  }}
"""


def find_nginx() -> str:
    """Return where nginx is. Raises SystemExit with the remedy."""
    path = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/opt/homebrew/bin")
    if path is None:
        raise SystemExit("The bench needs nginx, and there is none. Get it with: apt-get install nginx-light")
    return path


def static_server(port: int) -> str:
    """Return a server that answers every request with the canned chat reply."""
    return _STATIC_SERVER.format(port=port, reply=CHAT_REPLY.decode())


def proxy_server(name: str, *, port: int, upstream_port: int, is_buffered: bool) -> str:
    """Return a server that passes everything on over kept connections."""
    buffering = "on" if is_buffered else "off"
    return _PROXY_SERVER.format(name=name, port=port, upstream_port=upstream_port, buffering=buffering)


def start_nginx(folder: Path, *servers: str) -> subprocess.Popen[bytes]:
    """Start one nginx process with these servers in a folder of its own."""
    folder.mkdir()
    configuration = folder / "nginx.conf"
    configuration.write_text(_FRAME.format(folder=folder, servers="".join(servers)), encoding="utf-8")
    return subprocess.Popen([find_nginx(), "-c", str(configuration), "-p", str(folder), "-e", f"{folder}/error.log"])

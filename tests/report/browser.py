"""Drives a real Chromium over its DevTools protocol, with what the environment has (tornado).

Only what the tests of the report need: open a file, run JavaScript, list requests and complaints.
Source: https://chromedevtools.github.io/devtools-protocol/
"""

import asyncio
import json
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

BINARIES = ("chromium", "chromium-browser", "google-chrome")
SWITCHES = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
# Seconds; a loaded machine of continuous integration is slow.
PATIENCE = 180.0


def find_browser():
    """Path of a Chromium, or None."""
    return next(filter(None, map(shutil.which, BINARIES)), None)


class Browser:
    """One headless browser with one page; use as a context manager.

    `webgl` says whether the page finds WebGL 2, drawn by the processor.
    """

    def __init__(self, *, webgl=False):
        software = "--enable-unsafe-swiftshader", "--use-angle=swiftshader"
        self.switches = [*SWITCHES, *(software if webgl else ("--disable-3d-apis",))]

    def __enter__(self):
        self.loop = asyncio.new_event_loop()
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        command = [
            find_browser(),
            *self.switches,
            f"--user-data-dir={self.profile.name}",
            "about:blank",
        ]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self.number = 0
        self.events = []
        self.socket = self.loop.run_until_complete(self._connect())
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.send(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self.socket.close()
        self.process.kill()
        self.process.wait()
        self.loop.run_until_complete(asyncio.sleep(0.1))  # lets the socket close
        self.loop.close()
        self.profile.cleanup()

    async def _connect(self):
        from tornado.httpclient import AsyncHTTPClient
        from tornado.websocket import websocket_connect

        port_file = Path(self.profile.name) / "DevToolsActivePort"
        deadline = time.monotonic() + PATIENCE
        while not (port_file.exists() and port_file.read_text().strip()):
            assert time.monotonic() < deadline, "the browser did not start"
            await asyncio.sleep(0.05)
        address = f"http://127.0.0.1:{port_file.read_text().split()[0]}/json"
        pages = json.loads((await AsyncHTTPClient().fetch(address)).body)
        page = next(entry for entry in pages if entry["type"] == "page")
        return await websocket_connect(page["webSocketDebuggerUrl"], max_message_size=1 << 28)

    def send(self, method, **params):
        """Send one command and return its result; events on the way are kept."""
        return self.loop.run_until_complete(asyncio.wait_for(self._send(method, params), PATIENCE))

    async def _send(self, method, params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        await self.socket.write_message(json.dumps(message))
        while True:
            answer = json.loads(await self.socket.read_message())
            if answer.get("id") == self.number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def open(self, path, *, width=1280):
        """Open a file and wait until it has loaded."""
        self.show(width)
        self.events.clear()
        self.send("Page.navigate", url=Path(path).resolve().as_uri())
        self.run("new Promise(r => document.readyState == 'complete' ? r() : onload = r)")

    def show(self, width, scheme="light"):
        """Give the screen a width in pixels, and the preferred scheme of colours."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        preferred = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=preferred)

    def run(self, script):
        """Evaluate JavaScript, waiting for promises, and return its value."""
        result = self.send(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def press(self, key):
        """Press and release a key."""
        codes = {"Tab": 9, "Enter": 13}
        extra = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                windowsVirtualKeyCode=codes[key],
                **(extra if kind == "keyDown" else {}),
            )

    def seen(self, method):
        """Parameters of the events of one kind since the page was opened."""
        return [event["params"] for event in self.events if event["method"] == method]

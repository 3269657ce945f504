"""The page's files, as the build left them: compressed beforehand, cached for ever where their name holds a
hash.
"""

import mimetypes
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response

FOLDER = Path(__file__).parent / "static"
_ENCODINGS = {"br": ".br", "gzip": ".gz"}  # the smallest first

# Nothing from elsewhere, no inline script, no eval. Charts and Swagger UI set styles through the DOM, which
# this allows.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


@dataclass(frozen=True, slots=True)
class Site:
    """Files below `folder`; every path that is not a file is the page itself, which reads the path."""

    folder: Path = FOLDER

    def answer(self, request: Request, path: str) -> Response:
        """The file of `path`, in the best encoding that the browser takes."""
        file = self._file(path) or self._file("index.html")
        if file is None:
            return PlainTextResponse("the page has not been built: run `make page`\n", 503)
        hashed = file.parent.name == "assets"
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable" if hashed else "no-cache",
            "Vary": "Accept-Encoding",
        }
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        for encoding, suffix in _ENCODINGS.items():
            packed = file.with_name(file.name + suffix)
            if encoding in request.headers.get("accept-encoding", "") and packed.is_file():
                return FileResponse(packed, headers={**headers, "Content-Encoding": encoding}, media_type=kind)
        return FileResponse(file, headers=headers, media_type=kind)

    def _file(self, path: str) -> Path | None:
        file = (self.folder / path).resolve()
        return file if file.is_file() and file.is_relative_to(self.folder.resolve()) else None

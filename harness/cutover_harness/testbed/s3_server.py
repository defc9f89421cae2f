"""An S3 store on loopback that keeps its objects in memory: moto's, served in a way that Java's clients understand.

Run as a script, `s3_server.py PORT`, by the testbed for AutoMQ. It takes any credentials and forgets everything when it
ends, which is when the tool ends.
"""

import logging
import sys

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server


class Handler(WSGIRequestHandler):
    """Answers without a line in the log for each request."""

    def handle_expect_100(self) -> bool:
        """Leave `Expect: 100-continue` to werkzeug, which answers it too: AWS's Java client fails on two answers."""
        return True

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: a broker writes several objects a second."""


def main(port: int) -> None:
    """Serve until the process is ended."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = DomainDispatcherApplication(create_backend_app)
    make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))

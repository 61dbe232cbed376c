#!/usr/bin/env python3
"""An S3 server for compare-and-swap tests: moto with one lock around every request.

Stock moto checks a condition and writes without a lock in between, so two writers can both win; under one lock
every request is atomic. Prints "listening PORT" when it is ready. Needs requirements.txt beside this file.
"""
import sys
import threading

from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

application = DomainDispatcherApplication(create_backend_app)
lock = threading.Lock()


def serialized(environ, start_response):
    with lock:
        return list(application(environ, start_response))


server = make_server("127.0.0.1", 0, serialized, threaded=True)
print("listening", server.server_port, flush=True)
sys.stderr = open("requests.log", "w")
server.serve_forever()

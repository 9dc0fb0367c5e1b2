"""Google's XML API for storage, as far as moto's S3 has it: the two are alike but for the names of headers, keys and conditions
(https://cloud.google.com/storage/docs/interoperability). Whoever asks is let in, and no condition is kept."""

import sys

from moto.moto_server.werkzeug_app import create_backend_app
from werkzeug.serving import run_simple

s3 = create_backend_app("s3")


def google(environ, start_response):
    prefix = "HTTP_X_GOOG_"
    renamed = {name.replace(prefix, "HTTP_X_AMZ_"): value for name, value in environ.items() if name.startswith(prefix)}
    return s3({**environ, **renamed}, start_response)


run_simple("127.0.0.1", int(sys.argv[1]), google, threaded=True)

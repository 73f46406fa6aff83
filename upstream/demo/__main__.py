"""Runs the demo upstream alone: `python -m upstream.demo --port 9100`."""

from upstream.demo.command import main

if __name__ == "__main__":
    main()

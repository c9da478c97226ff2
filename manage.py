#!/usr/bin/env python
"""Bursar's commands: the same as `bursar`."""

import sys

from governance.config.command_line import main

if __name__ == "__main__":
    sys.exit(main())

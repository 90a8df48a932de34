"""Runs a program in a terminal: terminal.py MARK PROGRAM [ARGUMENT...]

When the program has printed MARK, Ctrl-C is typed. What it printed and its
exit status are passed on.
"""

import os
import pty
import select
import sys
import time

mark, command = sys.argv[1].encode(), sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(command[0], command)

output, typed, until = b"", False, time.monotonic() + 30
while time.monotonic() < until:
    if not select.select([terminal], [], [], 1)[0]:
        continue
    try:
        piece = os.read(terminal, 1024)
    except OSError:  # Linux: the other end of the terminal is closed.
        break
    if not piece:
        break
    output += piece
    if mark and mark in output and not typed:
        os.write(terminal, b"\x03")
        typed = True

sys.stdout.buffer.write(output)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

"""What all tests share."""

import signal

# In the background of a script SIGINT is ignored, and so it would be by every process that a test means to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

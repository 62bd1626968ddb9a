"""A slow or lossy link between two TUN devices: rate, delay and loss packet by packet, as netem does them.

    link.py DEVICE DEVICE MBIT_PER_SECOND DELAY_MS LOSS_PERCENT

Makes both devices, says "ready" on stdout, and forwards until stdin ends. The devices may be moved into
network namespaces meanwhile. The delay is one way; a queue holds 100 ms of packets, what comes on top is dropped.
"""

import collections
import fcntl
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
QUEUE_SECONDS = 0.1


def open_tun(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device


class Direction:
    def __init__(self, source, target, bytes_per_second, delay, loss):
        self.source = source
        self.target = target
        self.bytes_per_second = bytes_per_second
        self.delay = delay
        self.loss = loss
        self.free_at = 0.0
        self.packets = collections.deque()

    def take(self, now):
        while True:
            try:
                packet = os.read(self.source, 65536)
            except (BlockingIOError, OSError):
                return
            begins = max(now, self.free_at)
            if begins - now > QUEUE_SECONDS or random.random() < self.loss:
                continue
            self.free_at = begins + len(packet) / self.bytes_per_second
            self.packets.append((self.free_at + self.delay, packet))

    def deliver(self, now):
        while self.packets and self.packets[0][0] <= now:
            try:
                os.write(self.target, self.packets.popleft()[1])
            except OSError:
                pass  # The device is down: a link without a carrier loses packets too.


def main():
    first, second, mbit, delay_ms, loss = sys.argv[1:6]
    random.seed(5)
    ends = open_tun(first), open_tun(second)
    shape = float(mbit) * 125_000, float(delay_ms) / 1000, float(loss) / 100
    directions = [Direction(*ends, *shape), Direction(*reversed(ends), *shape)]
    print("ready", flush=True)
    while True:
        due = [direction.packets[0][0] for direction in directions if direction.packets]
        wait = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([*ends, 0], [], [], wait)
        if 0 in readable and not os.read(0, 1):
            return
        now = time.monotonic()
        for direction in directions:
            if direction.source in readable:
                direction.take(now)
            direction.deliver(now)


main()

"""One run of python-socketio's asyncio client: `client.py receive <url> <part>`. Prints the outcome as JSON."""

import asyncio
import json
import sys
import time

import socketio

PARTS = 10


async def receive(url, part):
    client = socketio.AsyncClient(reconnection=False)
    finished = asyncio.get_running_loop().create_future()
    total = part * PARTS
    received, started, cpu = 0, 0.0, 0.0

    @client.on("msg")
    async def msg(message):
        nonlocal received, started, cpu
        assert message["id"]
        received += 1
        if received == part:
            cpu = time.process_time()
            started = time.perf_counter()
        elif received == part + total:
            seconds = time.perf_counter() - started
            finished.set_result((seconds, time.process_time() - cpu))

    await client.connect(url, transports=["websocket"])
    seconds, cpu_seconds = await asyncio.wait_for(finished, 60)
    await client.disconnect()
    return {"events": total, "seconds": seconds, "cpu_seconds": cpu_seconds}


def main():
    task, url, part = sys.argv[1:]
    assert task == "receive"
    print(json.dumps(asyncio.run(receive(url, int(part)))))


main()
